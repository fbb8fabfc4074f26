// Makes names out of files fit for one-line messages.
#pragma once

#include <string>
#include <string_view>

#include "ipirm/core/text.h"

namespace ipirm::checkpoint {

// The first 80 bytes of `text` in quotes, control characters shown as '?'.
inline std::string printable(std::string_view text) { return core::in_quotes(text, 80); }

}  // namespace ipirm::checkpoint

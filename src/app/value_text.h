// What a value of a factor is called in tables.
#pragma once

#include <cstdint>
#include <string>

#include "ipirm/data/image_set.h"

namespace ipirm::app {

// Its name where the factor's values have names, otherwise its number (-1: unknown).
inline std::string value_text(const data::Factor& factor, int64_t value) {
  const auto known = static_cast<size_t>(value);
  return value >= 0 && known < factor.value_names.size() ? factor.value_names[known]
                                                         : std::to_string(value);
}

}  // namespace ipirm::app

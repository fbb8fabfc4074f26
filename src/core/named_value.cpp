// Puts named numbers into words.
#include "ipirm/core/named_value.h"

#include <cstdio>

namespace ipirm::core {

std::string to_text(const NamedValues& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    char digits[48];
    std::snprintf(digits, sizeof digits, ": %.4f", value);
    text += (text.empty() ? "" : ", ") + name + digits;
  }
  return text;
}

}  // namespace ipirm::core

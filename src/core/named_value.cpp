// Puts named numbers into words.
#include "ipirm/core/named_value.h"

#include "ipirm/core/text.h"

namespace ipirm::core {

std::string to_text(const NamedValues& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    text += (text.empty() ? "" : ", ") + name + ": " + with_digits(value, 4);
  }
  return text;
}

}  // namespace ipirm::core

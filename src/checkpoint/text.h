// Makes names out of files fit for one-line messages.
#pragma once

#include <string>
#include <string_view>

namespace ipirm::checkpoint {

// The first 80 bytes of `text` in quotes, control characters shown as '?'.
inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string result = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  result += text.size() > kLongest ? "...'" : "'";
  return result;
}

}  // namespace ipirm::checkpoint

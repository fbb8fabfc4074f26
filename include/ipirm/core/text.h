// Makes texts of files and command lines fit for one-line messages.
#pragma once

#include <string>
#include <string_view>

namespace ipirm::core {

// A character that would break or hide a line.
inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The first `longest` bytes of `text` in quotes, control characters shown as '?'.
inline std::string in_quotes(std::string_view text, size_t longest = 60) {
  std::string result = "'";
  for (const char c : text.substr(0, longest)) result += is_control(c) ? '?' : c;
  result += text.size() > longest ? "...'" : "'";
  return result;
}

}  // namespace ipirm::core

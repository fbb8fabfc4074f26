// Makes texts of files and command lines, and numbers, fit for one-line messages.
#pragma once

#include <cstdio>
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

// "3.1416" for 4 digits after the point. Of numbers beyond 1e15 the end is cut off.
inline std::string with_digits(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// As a shell takes it for one word.
inline std::string shell_word(const std::string& text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace ipirm::core

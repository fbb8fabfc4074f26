// Writes pieces of HTML.
#include "inspect/html.h"

#include <algorithm>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::inspect {
namespace {

constexpr size_t kSmallPng = 150'000;  // bytes

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t given = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < given ? bytes[i + j] : 0U);
    for (size_t j = 0; j < 4; ++j) text += j <= given ? kLetters[bits >> (18 - 6 * j) & 63U] : '=';
  }
  return text;
}

std::string image_tag(const Picture& picture, const std::string& alt) {
  auto bytes = picture.png();
  std::string type = "png";
  if (bytes.size() > kSmallPng) {
    if (auto smaller = picture.jpeg(); smaller.size() < bytes.size()) {
      bytes = std::move(smaller);
      type = "jpeg";
    }
  }
  return core::cat("<img width=\"", picture.width(), "\" height=\"", picture.height(), "\" alt=\"",
                   escaped(alt), "\" src=\"data:image/", type, ";base64,", base64(bytes), "\">");
}

std::string table(const std::vector<std::string>& heading,
                  const std::vector<std::vector<Cell>>& rows) {
  std::string text = "<div class=\"wide\"><table><thead><tr>";
  for (const auto& name : heading) text += "<th>" + escaped(name) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (const auto& cell : row) {
      text += "<td" + (cell.attribute.empty() ? "" : " " + cell.attribute) + ">" +
              escaped(cell.text) + "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace ipirm::inspect

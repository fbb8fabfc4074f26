// Writes pieces of HTML.
#include "inspect/html.h"

#include <algorithm>

#include "ipirm/core/error.h"

namespace ipirm::inspect {

using core::cat;

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

std::string paragraph(const std::string& text, const std::string& kind) {
  return "<p" + (kind.empty() ? "" : " class=\"" + kind + "\"") + ">" + escaped(text) + "</p>\n";
}

std::string section(const std::string& title) { return "<h2>" + escaped(title) + "</h2>\n"; }

std::string folded(const std::string& title, const std::string& content, bool open) {
  return cat("<details", open ? " open" : "", "><summary>", escaped(title), "</summary>\n", content,
             "</details>\n");
}

std::string figure(const PageImage& picture, const std::string& words, Scale scale) {
  return cat("<figure><div", scale == Scale::kSheet ? " class=\"sheet\"" : "", "><img width=\"",
             picture.width, "\" height=\"", picture.height, "\" alt=\"", escaped(words),
             "\" src=\"data:image/", picture.type, ";base64,", base64(picture.bytes),
             "\"></div><figcaption>", escaped(words), "</figcaption></figure>\n");
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

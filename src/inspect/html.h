// Pieces of HTML: escaped texts, images within the page, tables; and the room that they may take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipirm/inspect/picture.h"

namespace ipirm::inspect {

// The text as HTML shows it, in an element or in a quoted attribute.
std::string escaped(std::string_view text);

std::string base64(const std::vector<uint8_t>& bytes);

// kind: of the paragraph's style, "note" say. Texts are escaped here and below, `content` is HTML.
std::string paragraph(const std::string& text, const std::string& kind = "");
std::string section(const std::string& title);
std::string folded(const std::string& title, const std::string& content, bool open = false);

// The picture with words below it. A sheet, which has captions, is not made smaller than they can
// be read.
enum class Scale { kToFit, kSheet };
std::string figure(const PageImage& picture, const std::string& words, Scale scale);

// One cell: its text, and an attribute such as `class="best"` or nothing.
struct Cell {
  std::string text;
  std::string attribute = {};
};

// A table that scrolls sideways where it is wider than the screen.
std::string table(const std::vector<std::string>& heading,
                  const std::vector<std::vector<Cell>>& rows);

// The bytes that a page may still take.
class Room {
 public:
  explicit Room(size_t bytes) : left_(bytes) {}
  size_t left() const { return left_; }
  // Whether there is so much left, which then counts as taken.
  bool take(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }

 private:
  size_t left_;
};

}  // namespace ipirm::inspect

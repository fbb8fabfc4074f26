// Pieces of HTML: escaped texts, images within the page, tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipirm/inspect/picture.h"

namespace ipirm::inspect {

// The text as HTML shows it, in an element or in a quoted attribute.
std::string escaped(std::string_view text);

std::string base64(const std::vector<uint8_t>& bytes);

// An <img> that holds the picture: as PNG where that is small, otherwise as JPEG if that is
// smaller.
std::string image_tag(const Picture& picture, const std::string& alt);

// One cell: its text, and an attribute such as `class="best"` or nothing.
struct Cell {
  std::string text;
  std::string attribute = {};
};

// A table that scrolls sideways where it is wider than the screen. Texts are escaped here.
std::string table(const std::vector<std::string>& heading,
                  const std::vector<std::vector<Cell>>& rows);

}  // namespace ipirm::inspect

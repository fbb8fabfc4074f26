// Scales images by means over areas, and writes PNG through zlib.
#include "observe/picture.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <string_view>

namespace ipirm::observe {
namespace {

void append_big_endian(std::string& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>((value >> shift) & 0xff);
}

uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// Length, type, data, checksum of type and data.
void append_chunk(std::string& to, std::string_view type, std::string_view data) {
  append_big_endian(to, static_cast<uint32_t>(data.size()));
  const std::string checked = std::string(type) + std::string(data);
  to += checked;
  append_big_endian(to, crc32_of(checked));
}

std::string deflated(const std::string& bytes) {
  uLongf size = ::compressBound(static_cast<uLong>(bytes.size()));
  std::string result(size, '\0');
  const int code = ::compress2(reinterpret_cast<Bytef*>(result.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()),
                               static_cast<uLong>(bytes.size()), Z_DEFAULT_COMPRESSION);
  if (code != Z_OK) throw std::bad_alloc();  // the one reason, since the room is enough
  result.resize(size);
  return result;
}

// The pixels [first, last) of `of` in the image that pixel i of `parts` covers: at least one.
struct Span {
  Span(int i, int parts, int of)
      : first(i * of / parts), last(std::max(first + 1, (i + 1) * of / parts)) {}
  int first, last;
};

uint8_t mean_of(const data::Image& image, int channel, const Span& rows, const Span& columns) {
  int sum = 0;
  for (int y = rows.first; y < rows.last; ++y) {
    for (int x = columns.first; x < columns.last; ++x) {
      sum += image.pixels[channel * image.channel_stride + y * image.row_stride +
                          x * image.column_stride];
    }
  }
  const int count = (rows.last - rows.first) * (columns.last - columns.first);
  return static_cast<uint8_t>((sum + count / 2) / count);
}

}  // namespace

Picture::Picture(int height, int width)
    : height_(height),
      width_(width),
      pixels_(static_cast<size_t>(height) * static_cast<size_t>(width) * 3, 255) {}

void Picture::draw(const data::Image& image, int top, int left, int side) {
  const int longest = std::max(image.height, image.width);
  const int rows = std::max(1, image.height * side / longest);
  const int columns = std::max(1, image.width * side / longest);
  top += (side - rows) / 2;
  left += (side - columns) / 2;
  for (int y = 0; y < rows; ++y) {
    const Span from_rows(y, rows, image.height);
    auto* pixel = &pixels_[3 * (static_cast<size_t>(top + y) * static_cast<size_t>(width_) +
                                static_cast<size_t>(left))];
    for (int x = 0; x < columns; ++x) {
      const Span from_columns(x, columns, image.width);
      for (int channel = 0; channel < 3; ++channel)
        *pixel++ = mean_of(image, channel, from_rows, from_columns);
    }
  }
}

std::string Picture::png() const {
  const auto row_size = static_cast<size_t>(width_) * 3;
  std::string rows;
  rows.reserve(static_cast<size_t>(height_) * (row_size + 1));
  for (int y = 0; y < height_; ++y) {
    rows += '\0';  // the row's filter: none
    rows.append(reinterpret_cast<const char*>(&pixels_[static_cast<size_t>(y) * row_size]),
                row_size);
  }
  std::string header;
  append_big_endian(header, static_cast<uint32_t>(width_));
  append_big_endian(header, static_cast<uint32_t>(height_));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, deflate, filters, no interlace
  std::string file = "\x89PNG\r\n\x1a\n";
  append_chunk(file, "IHDR", header);
  append_chunk(file, "IDAT", deflated(rows));
  append_chunk(file, "IEND", "");
  return file;
}

}  // namespace ipirm::observe

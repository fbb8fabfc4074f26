// Structure walks of PNG, JPEG, BMP and WebP, which find a damaged file before a decoder sees it.
// (Decoders print their complaints on stderr, and libjpeg fills what is missing with grey.)
#include "data/image_structure.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::data {
namespace {

using core::cat;
using core::UserError;

// Numbers and texts at places in a file; a place beyond its end is the user's error.
class Bytes {
 public:
  Bytes(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw UserError(cat(path_, ": ", what, "; re-save, replace or remove the file"));
  }
  void need(uint64_t end) const {
    if (end > bytes_.size())
      fail(cat("ends at byte ", bytes_.size(), ", expected ", end, " bytes at least"));
  }
  std::string_view text(uint64_t at, uint64_t size) const {
    need(at + size);
    return bytes_.substr(at, size);
  }
  uint32_t u8(uint64_t at) const { return static_cast<uint8_t>(text(at, 1)[0]); }
  uint32_t big16(uint64_t at) const { return u8(at) << 8 | u8(at + 1); }
  uint32_t big32(uint64_t at) const { return big16(at) << 16 | big16(at + 2); }
  uint32_t little16(uint64_t at) const { return u8(at) | u8(at + 1) << 8; }
  uint32_t little24(uint64_t at) const { return little16(at) | u8(at + 2) << 16; }
  uint32_t little32(uint64_t at) const { return little16(at) | little16(at + 2) << 16; }
  std::string_view all() const { return bytes_; }

 private:
  const std::string& path_;
  std::string_view bytes_;
};

struct Size {
  int64_t width, height;
};

// CRC-32 of PNG (ISO 3309).
uint32_t crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> made;
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      made[i] = c;
    }
    return made;
  }();
  uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = table[(c ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (c >> 8);
  return ~c;
}

// Chunks up to IEND; `essential` receives the file without those that a decoder may leave out.
Size walk_png(const Bytes& in, std::string& essential) {
  Size size = {};
  bool data = false;
  essential = in.text(0, 8);
  for (uint64_t at = 8;;) {
    const uint64_t length = in.big32(at);
    const std::string_view type = in.text(at + 4, 4), chunk = in.text(at, 12 + length);
    if (crc32(chunk.substr(4, 4 + length)) != in.big32(at + 8 + length)) {
      in.fail(cat("the checksum of the PNG chunk at byte ", at, " is wrong"));
    }
    if ((at == 8) != (type == "IHDR") || (at == 8 && length != 13)) {
      in.fail(cat("the PNG chunk at byte ", at,
                  " is no valid header, expected one at byte 8 and there alone"));
    }
    if (type == "IHDR") size = {in.big32(at + 8), in.big32(at + 12)};
    data |= type == "IDAT";
    if (type[0] >= 'A' && type[0] <= 'Z') essential += chunk;
    at += 12 + length;
    if (type == "IEND") break;
  }
  if (!data) in.fail("this PNG holds no pixels (IDAT)");
  return size;
}

// Segments up to the first scan, which must be closed by an end-of-image marker. Scan data never
// contains one, nor can those of embedded thumbnails be mistaken for it: they stand before the
// scan.
Size walk_jpeg(const Bytes& in) {
  Size size = {};
  for (uint64_t at = 2;;) {
    if (in.u8(at) != 0xFF)
      in.fail(cat("byte ", at, " is ", in.u8(at), ", expected a JPEG marker (255)"));
    const uint32_t marker = in.u8(at + 1);
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {  // markers without content
      at += 2;
      continue;
    }
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame) size = {in.big16(at + 7), in.big16(at + 5)};
    if (marker == 0xD9)
      in.fail(cat("the JPEG image ends at byte ", at, " before it has any pixels"));
    at += 2 + in.big16(at + 2);
    if (marker == 0xDA) {
      const size_t end = in.all().rfind("\xFF\xD9");
      if (end == std::string_view::npos || end < at) {
        in.fail(cat("ends at byte ", in.all().size(),
                    " inside the JPEG pixels, expected an end-of-image marker"));
      }
      return size;
    }
  }
}

// Uncompressed bitmaps.
Size walk_bmp(const Bytes& in) {
  const uint64_t pixels = in.little32(10), header = in.little32(14);
  if (header == 12) {
    in.fail("this BMP has the header of OS/2, expected that of Windows");
  } else if (header < 40 || header > 124) {
    in.fail(cat("the BMP header's size at byte 14 is ", header, ", expected 40..124"));
  }
  const auto width = static_cast<int32_t>(in.little32(18)),
             height = static_cast<int32_t>(in.little32(22));
  const uint32_t bits = in.little16(28), compression = in.little32(30), colours = in.little32(46);
  constexpr std::array<uint32_t, 6> kBits = {1, 4, 8, 16, 24, 32};
  if (std::find(kBits.begin(), kBits.end(), bits) == kBits.end() ||
      (compression != 0 && compression != 3)) {
    in.fail(cat("this BMP has ", bits, " bits a pixel and compression ", compression,
                ", expected 1, 4, 8, 16, 24 or 32 and none (0 or 3)"));
  }
  const Size size = {width,
                     std::abs(int64_t{height})};  // a negative height: rows from the top down
  if (colours > 256)
    in.fail(cat("the BMP palette at byte 46 has ", colours, " colours, expected at most 256"));
  const uint64_t palette = bits > 8 ? 0 : 4 * (colours == 0 ? uint64_t{1} << bits : colours);
  in.need(14 + header + palette);
  if (width > 0 && width <= kMaxImageSide && size.height <= kMaxImageSide) {
    const auto row = (static_cast<uint64_t>(width) * bits + 31) / 32 * 4;
    in.need(std::max(pixels, 14 + header) + row * static_cast<uint64_t>(size.height));
  }
  return size;
}

Size walk_webp(const Bytes& in) {
  in.need(8 + uint64_t{in.little32(4)});
  const std::string_view chunk = in.text(12, 4);
  if (chunk == "VP8 ") return {in.little16(26) & 0x3FFF, in.little16(28) & 0x3FFF};
  if (chunk == "VP8L")
    return {1 + (in.little32(21) & 0x3FFF), 1 + (in.little32(21) >> 14 & 0x3FFF)};
  if (chunk == "VP8X") return {1 + int64_t{in.little24(24)}, 1 + int64_t{in.little24(27)}};
  in.fail("the WebP chunk at byte 12 is none of VP8, VP8L and VP8X");
}

}  // namespace

std::optional<ImageFormat> image_format(std::span<const uint8_t> head) {
  const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return ImageFormat::kPng;
  if (bytes.starts_with("\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (bytes.starts_with("BM")) return ImageFormat::kBmp;
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP")
    return ImageFormat::kWebp;
  return std::nullopt;
}

EncodedImage check_image(const std::string& path, std::string bytes) {
  const Bytes in(path, bytes);
  const auto format = image_format({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (!format) in.fail("the bytes at its start are those of no PNG, JPEG, BMP or WebP image");
  Size size = {};
  std::string essential;
  switch (*format) {
    case ImageFormat::kPng:
      size = walk_png(in, essential);
      break;
    case ImageFormat::kJpeg:
      size = walk_jpeg(in);
      break;
    case ImageFormat::kBmp:
      size = walk_bmp(in);
      break;
    case ImageFormat::kWebp:
      size = walk_webp(in);
      break;
  }
  const auto inside = [](int64_t side) { return side >= 1 && side <= kMaxImageSide; };
  if (!inside(size.width) || !inside(size.height) || size.width * size.height > kMaxImagePixels) {
    throw UserError(cat(path, ": says it is ", size.width, "x", size.height,
                        " pixels, expected sides of 1..", kMaxImageSide, " and at most ",
                        kMaxImagePixels, " pixels; shrink, replace or remove it"));
  }
  return {static_cast<int>(size.width), static_cast<int>(size.height),
          *format == ImageFormat::kPng ? std::move(essential) : std::move(bytes)};
}

}  // namespace ipirm::data

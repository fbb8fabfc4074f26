// Structure walk of PNG: its chunks, without those that a decoder may leave out.
#include <array>
#include <string_view>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

// CRC-32 of PNG (ISO 3309).
uint32_t crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> entries;
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      entries[i] = c;
    }
    return entries;
  }();
  uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = table[(c ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (c >> 8);
  return ~c;
}

}  // namespace

Walked walk_png(const FileBytes& in) {
  constexpr std::string_view kEnd("\0\0\0\0IEND\xAE\x42\x60\x82", 12);
  Walked walked;
  bool data = false;
  std::string essential(in.text(0, 8));
  for (uint64_t place = 8;;) {
    if (data && place + 12 > in.size()) {  // pixels are there, only the end mark is not
      essential += kEnd;
      break;
    }
    const uint64_t length = in.big32(place);
    const std::string_view type = in.text(place + 4, 4);
    if (place == 8 && type == "CgBI") in.unsupported("a PNG in Apple's own variant (CgBI)");
    const bool critical = type[0] >= 'A' && type[0] <= 'Z';
    if (!critical && place != 8) {  // decoders pass over these, whatever they hold
      in.need(place + 12 + length);
      place += 12 + length;
      continue;
    }
    const std::string_view chunk = in.text(place, 12 + length);
    if (crc32(chunk.substr(4, 4 + length)) != in.big32(place + 8 + length)) {
      in.fail(cat("the checksum of the PNG chunk at byte ", place, " is wrong"));
    }
    if ((place == 8) != (type == "IHDR") || (place == 8 && length != 13)) {
      in.fail(cat("the PNG chunk at byte ", place,
                  " is no valid header, expected one at byte 8 and there alone"));
    }
    if (type == "IHDR") walked.size = {in.big32(place + 8), in.big32(place + 12)};
    data |= type == "IDAT";
    essential += chunk;
    place += 12 + length;
    if (type == "IEND") break;
  }
  if (!data) in.fail("this PNG holds no pixels (IDAT)");
  walked.rewritten = std::move(essential);
  return walked;
}

}  // namespace ipirm::data

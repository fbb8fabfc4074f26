// Structure walk of JPEG: the segments before its pixels.
#include "data/image_structure.h"
#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

// The place of the next marker's code, from `place` on: what lies between segments is passed over.
uint64_t next_marker(const FileBytes& in, uint64_t place) {
  for (;; ++place) {
    while (in.u8(place) != 0xFF) ++place;
    while (in.u8(place) == 0xFF) ++place;
    if (in.u8(place) != 0) return place;
  }
}

bool is_frame(uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// `place`: the frame header's marker code.
WalkedSize read_frame(const FileBytes& in, uint64_t place) {
  const uint32_t marker = in.u8(place), bits = in.u8(place + 3), components = in.u8(place + 8);
  const bool sequential_or_progressive = marker <= 0xC2 || marker == 0xC9 || marker == 0xCA;
  if (marker == 0xC3 || marker == 0xCB) in.unsupported("a lossless JPEG");
  if (!sequential_or_progressive) in.unsupported("a hierarchical JPEG");
  if (bits != 8) in.unsupported(cat("a JPEG of ", bits, " bits a sample"));
  if (components != 1 && components != 3 && components != 4)
    in.unsupported(cat("a JPEG of ", components, " channels"));
  const WalkedSize size = {in.big16(place + 6), in.big16(place + 4)};
  if (size.height == 0) in.unsupported("a JPEG that tells its height after its pixels (DNL)");
  return size;
}

}  // namespace

// Segments up to the first scan; decode_jpeg() says whether the scans are whole.
Walked walk_jpeg(const FileBytes& in) {
  Walked walked;
  for (uint64_t place = next_marker(in, 2);; place = next_marker(in, place)) {
    const uint32_t marker = in.u8(place);
    if (marker == 0xD8 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {
      ++place;  // markers without content
      continue;
    }
    if (is_frame(marker)) walked.size = read_frame(in, place);
    if (marker == 0xD9 || (marker == 0xDA && walked.size.width == 0)) {
      in.fail(cat("the JPEG image ", marker == 0xD9 ? "ends" : "has pixels", " at byte ", place - 1,
                  " before it has a size, expected a frame header"));
    }
    if (marker == 0xDA) return walked;
    const uint32_t length = in.big16(place + 1);
    if (length < 2)
      in.fail(cat("the JPEG segment at byte ", place - 1, " has ", length,
                  " bytes, expected 2 at least"));
    place += 1 + length;
  }
}

}  // namespace ipirm::data

// Structure walk of WebP; of an animation the first frame is left.
#include <string_view>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

// A still WebP of one chunk, which begins at `place`.
std::string still_of(const FileBytes& in, uint64_t place) {
  const uint64_t size = in.little32(place + 4);
  std::string chunk(in.text(place, 8 + size));
  if (size % 2 != 0) chunk += '\0';
  std::string still = "RIFF";
  const uint64_t whole = 4 + chunk.size();
  for (int shift = 0; shift < 32; shift += 8) still += static_cast<char>(whole >> shift & 0xFF);
  return still + "WEBP" + chunk;
}

// The place behind the chunk that begins at `place`.
uint64_t behind_chunk(const FileBytes& in, uint64_t place) {
  const uint64_t size = in.little32(place + 4);
  return place + 8 + size + size % 2;
}

// Transparency is dropped, so that a frame's pixels are one chunk.
void take_first_frame(const FileBytes& in, Walked& walked) {
  uint64_t place = 30;
  while (in.text(place, 4) != "ANMF") place = behind_chunk(in, place);
  const uint64_t end = place + 8 + in.little32(place + 4);
  in.need(end);
  walked.left = 2 * int64_t{in.little24(place + 8)};
  walked.top = 2 * int64_t{in.little24(place + 11)};
  walked.frame =
      WalkedSize{1 + int64_t{in.little24(place + 14)}, 1 + int64_t{in.little24(place + 17)}};
  if (walked.left + walked.frame->width > walked.size.width ||
      walked.top + walked.frame->height > walked.size.height) {
    in.fail(cat("the WebP frame at byte ", place, " reaches beyond the image of ",
                walked.size.width, "x", walked.size.height));
  }
  for (uint64_t part = place + 24; part < end; part = behind_chunk(in, part)) {
    const std::string_view name = in.text(part, 4);
    if (name != "VP8 " && name != "VP8L") continue;
    walked.rewritten = still_of(in, part);
    return;
  }
  in.fail(cat("the WebP frame at byte ", place, " holds no pixels (VP8 or VP8L)"));
}

}  // namespace

Walked walk_webp(const FileBytes& in) {
  in.need(8 + uint64_t{in.little32(4)});
  const std::string_view chunk = in.text(12, 4);
  Walked walked;
  if (chunk == "VP8 ") {
    walked.size = {in.little16(26) & 0x3FFF, in.little16(28) & 0x3FFF};
  } else if (chunk == "VP8L") {
    const uint32_t sides = in.little32(21);
    walked.size = {1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)};
  } else if (chunk == "VP8X") {
    walked.size = {1 + int64_t{in.little24(24)}, 1 + int64_t{in.little24(27)}};
    constexpr uint32_t kAnimation = 2;
    if ((in.u8(20) & kAnimation) != 0) take_first_frame(in, walked);
  } else {
    in.fail("the WebP chunk at byte 12 is none of VP8, VP8L and VP8X");
  }
  return walked;
}

}  // namespace ipirm::data

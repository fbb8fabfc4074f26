// Structure walk and decoding of GIF: its blocks up to the first frame, and that frame's LZW.
#include "data/gif.h"

#include <algorithm>
#include <array>
#include <vector>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

struct Colours {
  uint64_t place = 0;  // of the palette: R, G, B each
  int count = 0;       // 0: none
};

struct Frame {
  WalkedSize screen;  // grown to hold the frame
  int64_t left = 0, top = 0, width = 0, height = 0;
  bool interlaced = false;
  int background = 0;  // colour of what the frame leaves free
  Colours colours;
  uint64_t pixels = 0;  // place of the LZW data
};

// The palette that a packed byte announces at `place`.
Colours palette_at(uint32_t packed, uint64_t place) {
  return {place, (packed & 0x80) != 0 ? 2 << (packed & 7) : 0};
}

// The place behind a chain of blocks, which a block of no bytes ends.
uint64_t behind_blocks(const FileBytes& in, uint64_t place) {
  while (in.u8(place) != 0) place += 1 + in.u8(place);
  return place + 1;
}

// Blocks up to the first image.
Frame read_frame(const FileBytes& in) {
  Frame frame;
  const Colours common = palette_at(in.u8(10), 13);
  frame.screen = {in.little16(6), in.little16(8)};
  uint64_t place = 13 + 3 * static_cast<uint64_t>(common.count);
  for (; in.u8(place) != 0x2C;) {
    const uint32_t kind = in.u8(place);
    if (kind == 0x3B) in.fail(cat("the GIF ends at byte ", place, " before it has an image"));
    if (kind != 0x21) {  // stray bytes, which decoders pass over
      ++place;
      continue;
    }
    constexpr uint32_t kGraphicControl = 0xF9;
    if (in.u8(place + 1) == kGraphicControl && in.u8(place + 2) >= 4)
      frame.background = (in.u8(place + 3) & 1) != 0 ? static_cast<int>(in.u8(place + 6)) : 0;
    place = behind_blocks(in, place + 2);
  }
  frame.left = in.little16(place + 1), frame.top = in.little16(place + 3);
  frame.width = in.little16(place + 5), frame.height = in.little16(place + 7);
  frame.screen.width = std::max(frame.screen.width, frame.left + frame.width);
  frame.screen.height = std::max(frame.screen.height, frame.top + frame.height);
  const uint32_t packed = in.u8(place + 9);
  frame.interlaced = (packed & 0x40) != 0;
  const Colours own = palette_at(packed, place + 10);
  frame.colours = own.count > 0 ? own : common;
  frame.pixels = place + 10 + 3 * static_cast<uint64_t>(own.count);
  in.need(std::max(frame.pixels, 13 + 3 * static_cast<uint64_t>(common.count)));
  return frame;
}

// The codes of LZW data, whose bits lie in blocks.
class Codes {
 public:
  Codes(const FileBytes& in, uint64_t place) : in_(in), place_(place) {}

  // Throws where the blocks end before the code does.
  uint32_t next(int bits) {
    while (num_bits_ < bits) {
      while (left_ == 0) {
        left_ = in_.u8(place_++);
        if (left_ == 0) in_.fail(cat("the GIF's pixels end at byte ", place_ - 1, ", too early"));
      }
      held_ |= in_.u8(place_++) << num_bits_;
      num_bits_ += 8;
      --left_;
    }
    const uint32_t code = held_ & ((1u << bits) - 1);
    held_ >>= bits;
    num_bits_ -= bits;
    return code;
  }

 private:
  const FileBytes& in_;
  uint64_t place_;
  uint32_t left_ = 0;  // bytes of the block
  uint32_t held_ = 0;
  int num_bits_ = 0;
};

// The frame's colour indices, row by row as they are stored; fewer where an end code comes early.
std::vector<uint8_t> decode_lzw(const FileBytes& in, const Frame& frame) {
  constexpr uint32_t kMost = 4096, kNone = kMost;
  const auto wanted = static_cast<size_t>(frame.width * frame.height);
  const uint32_t first_bits = in.u8(frame.pixels);
  if (first_bits < 1 || first_bits > 8)
    in.fail(
        cat("the GIF's code size at byte ", frame.pixels, " is ", first_bits, ", expected 1..8"));
  const uint32_t clear = 1u << first_bits, end = clear + 1;
  std::array<uint16_t, kMost> before{}, length{};  // a code's string: that of `before`, then `last`
  std::array<uint8_t, kMost> last{};
  for (uint32_t code = 0; code < clear; ++code)
    last[code] = static_cast<uint8_t>(code), length[code] = 1;
  Codes codes(in, frame.pixels + 1);
  uint32_t next = end + 1, previous = kNone;
  int bits = static_cast<int>(first_bits) + 1;
  std::vector<uint8_t> indices;
  indices.reserve(wanted);
  while (indices.size() < wanted) {
    const uint32_t code = codes.next(bits);
    if (code == end) break;
    if (code == clear) {
      next = end + 1, previous = kNone, bits = static_cast<int>(first_bits) + 1;
      continue;
    }
    if (previous == kNone ? code > clear : code > next || (code == next && next == kMost))
      in.fail(cat("the GIF's pixels hold code ", code, ", which stands for nothing"));
    // The newest code is the previous string and its own first value.
    const uint32_t from = code == next ? previous : code;
    const size_t start = indices.size(), size = length[from];
    indices.resize(start + size);
    uint32_t walk = from;
    for (size_t i = size; i-- > 0; walk = before[walk]) indices[start + i] = last[walk];
    const uint8_t first = indices[start];
    if (code == next) indices.push_back(first);
    if (previous != kNone && next < kMost) {
      before[next] = static_cast<uint16_t>(previous);
      last[next] = first;
      length[next] = static_cast<uint16_t>(length[previous] + 1);
      ++next;
    }
    if (next >= 1u << bits && bits < 12) ++bits;
    previous = code;
  }
  indices.resize(std::min(indices.size(), wanted));
  return indices;
}

// The row of the picture that the stored row `i` of an interlaced frame is.
std::vector<int64_t> row_order(const Frame& frame) {
  std::vector<int64_t> rows;
  constexpr std::array<std::array<int64_t, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  for (const auto& [start, step] : kPasses) {
    for (int64_t y = frame.interlaced ? start : int64_t{0}; y < frame.height;
         y += frame.interlaced ? step : 1)
      rows.push_back(y);
    if (!frame.interlaced) break;
  }
  return rows;
}

}  // namespace

Walked walk_gif(const FileBytes& in) {
  Walked walked;
  const Frame frame = read_frame(in);
  walked.size = frame.screen;
  if (frame.width == 0 || frame.height == 0)
    in.fail(cat("the GIF's first frame is ", frame.width, "x", frame.height, " pixels"));
  return walked;
}

void decode_gif(const std::string& path, const EncodedImage& encoded, uint8_t* rgb) {
  const FileBytes in(path, encoded.bytes);
  const Frame frame = read_frame(in);
  const auto colour = [&](int index, int channel) {
    if (frame.colours.count == 0) return static_cast<uint8_t>(index);  // levels of grey
    if (index >= frame.colours.count) return uint8_t{0};
    return static_cast<uint8_t>(in.u8(frame.colours.place + 3 * static_cast<uint64_t>(index) +
                                      static_cast<uint64_t>(channel)));
  };
  std::array<std::array<uint8_t, 3>, 256> palette{};
  for (int i = 0; i < 256; ++i) {
    for (int c = 0; c < 3; ++c)
      palette[static_cast<size_t>(i)][static_cast<size_t>(c)] = colour(i, c);
  }
  const auto indices = decode_lzw(in, frame);
  const int64_t pixels = frame.screen.width * frame.screen.height;
  const auto& background = palette[static_cast<size_t>(frame.background)];
  for (int64_t i = 0; i < pixels; ++i) std::copy(background.begin(), background.end(), rgb + 3 * i);
  const auto rows = row_order(frame);
  for (size_t i = 0; i < indices.size(); ++i) {
    const auto row = i / static_cast<size_t>(frame.width),
               column = i % static_cast<size_t>(frame.width);
    const auto& value = palette[indices[i]];
    const int64_t place =
        (frame.top + rows[row]) * frame.screen.width + frame.left + static_cast<int64_t>(column);
    std::copy(value.begin(), value.end(), rgb + 3 * place);
  }
}

}  // namespace ipirm::data

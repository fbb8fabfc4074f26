// Structure walk of BMP; runs of pixels are written out, so that decoders see plain rows alone.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

constexpr uint32_t kPlain = 0, kRuns8 = 1, kRuns4 = 2, kMasks = 3;  // compressions

struct Header {
  WalkedSize size;  // rows from the bottom up where height > 0
  uint32_t bits = 0, compression = kPlain;
  uint64_t pixels = 0;                    // place of the first row
  uint64_t palette = 0;                   // its place
  uint64_t colours = 0, colour_size = 4;  // entries, bytes each
};

Header read_header(const FileBytes& in) {
  Header header;
  const uint64_t length = in.little32(14);
  header.palette = 14 + length;
  if (length == 12) {  // of OS/2
    header.size = {in.little16(18), in.little16(20)};
    header.bits = in.little16(24);
    header.colour_size = 3;
  } else if (length == 40 || length == 52 || length == 56 || length == 108 || length == 124) {
    header.size = {static_cast<int32_t>(in.little32(18)), static_cast<int32_t>(in.little32(22))};
    header.bits = in.little16(28);
    header.compression = in.little32(30);
    header.colours = in.little32(46);
    if (length == 40 && header.compression == kMasks) header.palette += 12;
  } else if (length == 16 || length == 64) {
    in.unsupported("a BMP of OS/2's second version");
  } else {
    in.fail(cat("the BMP header's size at byte 14 is ", length, ", expected 40..124"));
  }
  constexpr std::array<uint32_t, 6> kBits = {1, 4, 8, 16, 24, 32};
  if (std::find(kBits.begin(), kBits.end(), header.bits) == kBits.end())
    in.unsupported(cat("a BMP of ", header.bits, " bits a pixel"));
  const bool known = header.compression == kPlain ||
                     (header.compression == kRuns8 && header.bits == 8) ||
                     (header.compression == kRuns4 && header.bits == 4) ||
                     (header.compression == kMasks && header.bits >= 16);
  if (!known) {
    in.unsupported(
        cat("a BMP of compression ", header.compression, " and ", header.bits, " bits a pixel"));
  }
  if (header.bits > 8) {
    header.colours = 0;  // a hint there
  } else if (header.colours == 0) {
    header.colours = uint64_t{1} << header.bits;
  } else if (header.colours > 256) {
    in.fail(
        cat("the BMP palette at byte 46 has ", header.colours, " colours, expected at most 256"));
  }
  const uint64_t end = header.palette + header.colours * header.colour_size;
  in.need(end);
  header.pixels = std::max<uint64_t>(in.little32(10), header.bits > 8 ? header.palette : end);
  return header;
}

// Writes the pixels' indices, one byte each, in rows of a multiple of 4 bytes from the bottom up.
class Runs {
 public:
  Runs(const FileBytes& in, const Header& header)
      : in_(in),
        four_bits_(header.compression == kRuns4),
        width_(static_cast<uint64_t>(header.size.width)),
        height_(static_cast<uint64_t>(header.size.height)),
        stride_((width_ + 3) / 4 * 4),
        rows_(stride_ * height_, '\0') {
    uint64_t place = header.pixels;
    while (y_ < height_ && !(y_ + 1 == height_ && x_ >= width_)) {
      const uint32_t count = in.u8(place), value = in.u8(place + 1);
      place += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) put(four_bits_ ? nibble(value, i) : value);
      } else if (value == 0) {
        x_ = 0, ++y_;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        x_ += in.u8(place), y_ += in.u8(place + 1);
        place += 2;
      } else {
        place = copy(place, value);
      }
    }
  }

  const std::string& rows() const { return rows_; }

 private:
  static uint32_t nibble(uint32_t value, uint32_t i) {
    return i % 2 == 0 ? value >> 4 : value & 15;
  }

  // `count` pixels as they stand; returns the place behind them, which is even.
  uint64_t copy(uint64_t place, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i)
      put(four_bits_ ? nibble(in_.u8(place + i / 2), i) : in_.u8(place + i));
    const uint64_t bytes = four_bits_ ? (count + 1) / 2 : count;
    return place + (bytes + 1) / 2 * 2;
  }

  void put(uint32_t index) {
    if (x_ < width_ && y_ < height_) rows_[y_ * stride_ + x_] = static_cast<char>(index);
    ++x_;
  }

  const FileBytes& in_;
  bool four_bits_;
  uint64_t width_, height_, stride_;
  uint64_t x_ = 0, y_ = 0;
  std::string rows_;
};

void append_little32(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

// The same picture without runs: 8 bits a pixel, 256 colours.
std::string written_out(const FileBytes& in, const Header& header) {
  constexpr uint64_t kColours = 256, kPixels = 14 + 40 + 4 * kColours;
  const std::string rows = Runs(in, header).rows();
  std::string out = "BM";
  append_little32(out, kPixels + rows.size());
  append_little32(out, 0);
  append_little32(out, kPixels);
  append_little32(out, 40);
  append_little32(out, static_cast<uint64_t>(header.size.width));
  append_little32(out, static_cast<uint64_t>(header.size.height));
  append_little32(out, 1 | 8 << 16);  // planes, bits
  append_little32(out, kPlain);
  append_little32(out, rows.size());
  append_little32(out, 0);
  append_little32(out, 0);
  append_little32(out, kColours);
  append_little32(out, 0);
  out += in.text(header.palette, 4 * header.colours);
  out.resize(kPixels, '\0');
  return out + rows;
}

// The channels' masks of 16 and 32 bits that decoders agree on.
void check_masks(const FileBytes& in, const Header& header) {
  const uint32_t red = in.little32(54), green = in.little32(58), blue = in.little32(62);
  const bool usual = header.bits == 32 ? red == 0xFF0000 && green == 0xFF00 && blue == 0xFF
                                       : blue == 0x1F && ((green == 0x7E0 && red == 0xF800) ||
                                                          (green == 0x3E0 && red == 0x7C00));
  if (!usual) in.unsupported(cat("a BMP of ", header.bits, " bits a pixel with unusual masks"));
}

}  // namespace

Walked walk_bmp(const FileBytes& in) {
  const Header header = read_header(in);
  if (header.compression == kMasks) check_masks(in, header);
  Walked walked;
  walked.size = {header.size.width, std::abs(header.size.height)};
  in.check_size(walked.size);
  if (header.compression == kRuns8 || header.compression == kRuns4) {
    if (header.size.height < 0) in.fail("this BMP has runs of pixels in rows from the top down");
    walked.rewritten = written_out(in, header);
    return walked;
  }
  const uint64_t bits = static_cast<uint64_t>(walked.size.width) * header.bits,
                 row = (bits + 31) / 32 * 4;
  const uint64_t above = row * (static_cast<uint64_t>(walked.size.height) - 1);
  in.need(header.pixels + above + (bits + 7) / 8);
  const uint64_t end = header.pixels + above + row;
  if (end > in.size()) {  // some writers leave out what fills up the last row
    walked.rewritten = std::string(in.text(0, in.size()));
    walked.rewritten->resize(end, '\0');
  }
  return walked;
}

}  // namespace ipirm::data

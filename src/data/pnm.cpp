// Structure walk and decoding of PGM and PPM.
#include "data/pnm.h"

#include <cctype>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

// The whole number at `place`, behind white space and comments; `place` moves behind it.
uint32_t read_number(const FileBytes& in, uint64_t& place) {
  constexpr uint32_t kMost = 99'999'999;
  const auto is = [&](int (*kind)(int)) { return kind(static_cast<int>(in.u8(place))) != 0; };
  while (is(std::isspace) || in.u8(place) == '#') {
    if (in.u8(place) == '#') {
      while (in.u8(place) != '\n') ++place;
    }
    ++place;
  }
  if (!is(std::isdigit)) in.fail(cat("byte ", place, " is no digit, expected a whole number"));
  uint32_t value = 0;
  for (; place < in.size() && is(std::isdigit); ++place) {
    value = 10 * value + in.u8(place) - '0';
    if (value > kMost) in.fail(cat("the number at byte ", place, " is too large"));
  }
  return value;
}

struct Header {
  WalkedSize size;
  int channels = 1;
  bool text = false;  // numbers as text
  uint32_t most = 255;
  uint64_t pixels = 0;  // their place
};

Header read_header(const FileBytes& in) {
  Header header;
  const uint32_t kind = in.u8(1);
  header.text = kind == '2' || kind == '3';
  header.channels = kind == '3' || kind == '6' ? 3 : 1;
  uint64_t place = 2;
  header.size.width = read_number(in, place);
  header.size.height = read_number(in, place);
  header.most = read_number(in, place);
  if (header.most < 1 || header.most > 65535)
    in.fail(
        cat("the largest value before byte ", place, " is ", header.most, ", expected 1..65535"));
  header.pixels = place + 1;  // one white space
  return header;
}

}  // namespace

Walked walk_pnm(const FileBytes& in) {
  const Header header = read_header(in);
  in.check_size(header.size);
  const auto values = static_cast<uint64_t>(header.size.width * header.size.height) *
                      static_cast<uint64_t>(header.channels);
  // A number of a text is a digit at least, and a space between each two.
  in.need(header.pixels + (header.text ? 2 * values - 1 : header.most > 255 ? 2 * values : values));
  Walked walked;
  walked.size = header.size;
  return walked;
}

void decode_pnm(const std::string& path, const EncodedImage& encoded, uint8_t* rgb) {
  const FileBytes in(path, encoded.bytes);
  const Header header = read_header(in);
  uint64_t place = header.pixels;
  const auto next = [&] {
    uint32_t value = 0;
    if (header.text) {
      value = read_number(in, place);
    } else if (header.most > 255) {
      value = in.big16(place);
      place += 2;
    } else {
      value = in.u8(place++);
    }
    if (value > header.most)
      in.fail(cat("the value before byte ", place, " is ", value, ", expected 0..", header.most));
    return static_cast<uint8_t>((value * 255 + header.most / 2) / header.most);
  };
  const int64_t pixels = header.size.width * header.size.height;
  for (int64_t i = 0; i < pixels; ++i, rgb += 3) {
    rgb[0] = next();
    rgb[1] = header.channels == 3 ? next() : rgb[0];
    rgb[2] = header.channels == 3 ? next() : rgb[0];
  }
}

}  // namespace ipirm::data

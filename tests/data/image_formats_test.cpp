// Every kind of image file that people have: pixels of those that are read, words for the others.
#include <gtest/gtest.h>

#include <cmath>

#include "data/expectations.h"
#include "data/image_decode.h"
#include "data/write_sets.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;

constexpr int kHeight = 12, kWidth = 16;

// What the files of the corpus show (made by Pillow 13): a picture that no lossy format keeps, and
// smooth ones.
int sharp(int c, int y, int x) { return (10 + c * 60 + 7 * y + 5 * x) % 256; }
int sharp_grey(int, int y, int x) { return (3 + 7 * y + 11 * x) % 256; }
int smooth(int c, int y, int x) { return 20 + c * 40 + 3 * y + 2 * x; }
int smooth_grey(int, int y, int x) {
  return static_cast<int>(
      std::lround(.299 * smooth(0, y, x) + .587 * smooth(1, y, x) + .114 * smooth(2, y, x)));
}
int checked(int, int y, int x) { return (x + y) % 2 * 255; }

Bytes corpus_file(const std::string& name) {
  Bytes bytes = read_bytes(fs::path("tests/fuzz/corpus/image") / name);
  EXPECT_FALSE(bytes.empty()) << name;
  return bytes;
}

// The decoded file, in silence.
struct Decoded {
  PixelSize size;
  std::vector<uint8_t> rgb;
};

Decoded decode(const Bytes& bytes) {
  const TempFolder folder;
  const fs::path path = folder.path() / "x";
  write_file(path, bytes);
  prepare_image_decoder();
  Decoded decoded;
  ::testing::internal::CaptureStderr();
  std::string error;
  try {
    decoded.size = decode_image_file(path.string(), 0, decoded.rgb);
  } catch (const core::UserError& refused) {
    error = refused.what();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  if (!error.empty()) throw core::UserError(error);
  return decoded;
}

template <class Expected>
void expect_pixels(const Bytes& bytes, Expected expected, int tolerance, const std::string& name) {
  Decoded decoded;
  ASSERT_NO_THROW(decoded = decode(bytes)) << name;
  ASSERT_EQ(decoded.size.width, kWidth) << name;
  ASSERT_EQ(decoded.size.height, kHeight) << name;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int found = decoded.rgb[static_cast<size_t>((y * kWidth + x) * 3 + c)];
        ASSERT_NEAR(found, expected(c, y, x), tolerance)
            << name << ", channel " << c << " of row " << y << ", column " << x;
      }
    }
  }
}

struct Format {
  std::string file;
  int (*expected)(int, int, int);
  int tolerance;  // of lossy formats at quality 95, seen: 3; of CMYK, which is rounded twice
};

class ReadsFormat : public ::testing::TestWithParam<Format> {};

TEST_P(ReadsFormat, AsItWasWritten) {
  const auto& [file, expected, tolerance] = GetParam();
  expect_pixels(corpus_file(file), expected, tolerance, file);
}

INSTANTIATE_TEST_SUITE_P(
    Corpus, ReadsFormat,
    ::testing::Values(Format{"tiff_plain", sharp, 0}, Format{"tiff_lzw", sharp, 0},
                      Format{"tiff_deflate", sharp, 0}, Format{"tiff_packbits", sharp, 0},
                      Format{"tiff_palette", sharp, 0}, Format{"tiff_alpha", sharp, 0},
                      Format{"tiff_grey", sharp_grey, 0}, Format{"tiff_grey16", sharp_grey, 0},
                      Format{"tiff_bits", checked, 0}, Format{"tiff_jpeg", smooth, 4},
                      Format{"tiff_cmyk", sharp, 1}, Format{"gif", sharp, 0},
                      Format{"gif_interlaced", sharp, 0}, Format{"gif_animated", sharp, 0},
                      Format{"webp_animated", sharp, 0}, Format{"webp_animated_alpha", smooth, 4},
                      Format{"ppm", sharp, 0}, Format{"ppm_text", sharp, 0},
                      Format{"pgm", sharp_grey, 0}, Format{"jpg_progressive", smooth, 4},
                      Format{"jpg_cmyk", smooth, 4}, Format{"jpg_grey", smooth_grey, 4},
                      Format{"png_grey16", sharp_grey, 0}),
    [](const auto& test) { return test.param.file; });

// --- What common decoders pass over --------------------------------------------------------------

Bytes inserted(Bytes bytes, size_t place, const Bytes& more) {
  bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(place), more.begin(), more.end());
  return bytes;
}

// The places of a JPEG's segments, the first scan's last; and of its end-of-image marker.
std::vector<size_t> segments(const Bytes& jpeg) {
  std::vector<size_t> places;
  for (size_t place = 2;;
       place += 2 + static_cast<size_t>(jpeg[place + 2] << 8 | jpeg[place + 3])) {
    places.push_back(place);
    if (jpeg[place + 1] == 0xDA) return places;
  }
}

TEST(Tolerance, StrayBytesInAJpeg) {
  const Bytes jpeg = corpus_file("jpg_progressive");
  const size_t end = jpeg.size() - 2;
  for (const Bytes& stray : {Bytes{0}, Bytes{0xFF, 0xFF}, Bytes{1, 2, 3, 4, 5}, Bytes{0xFF, 0}}) {
    for (const size_t place : segments(jpeg)) {
      if (place == 2) continue;  // the first three bytes tell that it is a JPEG
      expect_pixels(inserted(jpeg, place, stray), smooth, 4,
                    "before byte " + std::to_string(place));
    }
    expect_pixels(inserted(jpeg, end, stray), smooth, 4, "before the end");
    expect_pixels(inserted(jpeg, jpeg.size(), stray), smooth, 4, "after the end");
  }
  const Bytes plain = corpus_file("jpg_grey");
  expect_pixels(Bytes(plain.begin(), plain.end() - 2), smooth_grey, 4, "no end-of-image marker");
  expect_pixels(inserted(plain, plain.size() - 2, Bytes(9, 0x55)), smooth_grey, 4, "in the scan");
}

// Motion JPEG leaves the usual Huffman tables out.
TEST(Tolerance, AJpegWithoutHuffmanTables) {
  Bytes jpeg = corpus_file("jpg_grey");
  const auto places = segments(jpeg);
  for (size_t i = places.size() - 1; i-- > 0;) {
    if (jpeg[places[i] + 1] != 0xC4) continue;
    jpeg.erase(jpeg.begin() + static_cast<ptrdiff_t>(places[i]),
               jpeg.begin() + static_cast<ptrdiff_t>(places[i + 1]));
  }
  EXPECT_LT(jpeg.size(), corpus_file("jpg_grey").size());
  expect_pixels(jpeg, smooth_grey, 4, "no tables");
}

TEST(Tolerance, WhatFollowsAnImageAndWhatIsNotNeeded) {
  for (const char* name : {"tiff_lzw", "gif", "ppm", "webp_animated"}) {
    const Bytes bytes = corpus_file(name);
    expect_pixels(inserted(bytes, bytes.size(), {1, 2, 3}), sharp, 0, name);
  }
  Bytes gif = corpus_file("gif");
  gif.pop_back();  // the trailer
  expect_pixels(gif, sharp, 0, "a GIF without its trailer");

  const Bytes png = corpus_file("png_grey16");
  expect_pixels(inserted(png, png.size(), {1, 2, 3}), sharp_grey, 0, "a PNG with a tail");
  expect_pixels(Bytes(png.begin(), png.end() - 12), sharp_grey, 0, "a PNG without its end");
  expect_pixels(Bytes(png.begin(), png.end() - 5), sharp_grey, 0, "a PNG without all of its end");
  const Bytes text = {0, 0, 0, 1, 't', 'E', 'X', 't', 'x', 1, 2, 3, 4};
  expect_pixels(inserted(png, 33, text), sharp_grey, 0, "a wrong checksum of what is not needed");
}

// --- Formats made by hand
// -------------------------------------------------------------------------

void append(Bytes& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// A BMP of 16x12 with a grey palette; the pixels' place, the header's size and the fields behind
// it.
Bytes bmp_head(uint32_t header, uint32_t bits, uint32_t compression, int colours) {
  Bytes out = {'B', 'M'};
  const uint32_t colour = header == 12 ? 3 : 4;
  append(out, 0, 8);
  append(out, 14 + header + colour * static_cast<uint32_t>(colours), 4);
  append(out, header, 4);
  append(out, kWidth, header == 12 ? 2 : 4);
  append(out, kHeight, header == 12 ? 2 : 4);
  append(out, 1, 2);
  append(out, bits, 2);
  if (header >= 40) {
    append(out, compression, 4);
    append(out, 0, 4 + 4 + 4);
    append(out, static_cast<uint32_t>(colours), 4);
    append(out, 0, 4);
    out.resize(14 + header);
  }
  for (int i = 0; i < colours; ++i) {
    for (uint32_t c = 0; c < colour; ++c) out.push_back(static_cast<uint8_t>(c < 3 ? i : 0));
  }
  return out;
}

TEST(Bitmaps, RunsOfEightBits) {
  Bytes bmp = bmp_head(40, 8, 1, 256);
  for (int row = 0; row < kHeight; ++row) {
    if (row == 3) {  // left free: four columns and two rows by a jump
      append(bmp, 0x0200, 2), append(bmp, 0x0204, 2);
      row = 5;
    }
    const Bytes coded = {5, 40, 0, 3, 50, 51, 52, 0, 8, static_cast<uint8_t>(row), 0, 0};
    bmp.insert(bmp.end(), coded.begin(), coded.end());
  }
  append(bmp, 0x0100, 2);
  const auto expected = [](int, int y, int x) {
    const int row = kHeight - 1 - y, from = row == 5 ? 4 : 0, place = x - from;
    if (row == 3 || row == 4 || place < 0) return 0;
    return place < 5 ? 40 : place < 8 ? 45 + place : place < 16 ? row : 0;
  };
  expect_pixels(bmp, expected, 0, "8 bits");
  bmp.resize(bmp.size() - 40);
  expect_user_error([&] { decode(bmp); }, {"ends at byte"});
}

TEST(Bitmaps, RunsOfFourBits) {
  Bytes bmp = bmp_head(40, 4, 2, 16);
  for (int row = 0; row < kHeight; ++row) {
    const Bytes coded = {7, 0x12, 0, 5, 0x34, 0x56, 0x70, 0, 9, 0xF0, 0, 0};
    bmp.insert(bmp.end(), coded.begin(), coded.end());
  }
  append(bmp, 0x0100, 2);
  const auto expected = [](int, int, int x) {
    return x < 7 ? (x % 2 == 0 ? 1 : 2) : x < 12 ? x - 4 : x % 2 == 0 ? 15 : 0;
  };
  expect_pixels(bmp, expected, 0, "4 bits");
}

TEST(Bitmaps, HeadersOldAndNewAndAShortLastRow) {
  for (const uint32_t header : {12u, 40u, 108u, 124u}) {
    Bytes bmp = bmp_head(header, 8, 0, 256);
    for (int row = 0; row < kHeight; ++row) {
      for (int x = 0; x < kWidth; ++x)
        bmp.push_back(static_cast<uint8_t>(sharp_grey(0, kHeight - 1 - row, x)));
    }
    expect_pixels(bmp, sharp_grey, 0, "header of " + std::to_string(header));
  }
  const TempFolder folder;
  write_image(folder.path() / "x.bmp", 3, 3, [](int c, int y, int x) { return sharp(c, y, x); });
  Bytes bmp = read_bytes(folder.path() / "x.bmp");
  bmp.resize(bmp.size() - 3);  // what fills up the last row
  const Decoded decoded = decode(bmp);
  EXPECT_EQ(decoded.rgb[3 * 2 + 1], sharp(1, 0, 2));
}

// A GIF of 16x12 whose frame covers a part; LZW of codes without strings: a clear code before each
// two values keeps the codes at 9 bits.
Bytes gif_part(int left, int top, int width, int height, bool transparent) {
  Bytes gif = {'G', 'I', 'F', '8', '9', 'a', kWidth, 0, kHeight, 0, 0xF7, 0, 0};
  for (int i = 0; i < 256; ++i) gif.insert(gif.end(), 3, static_cast<uint8_t>(255 - i));
  if (transparent) gif.insert(gif.end(), {0x21, 0xF9, 4, 1, 0, 0, 77, 0});
  gif.insert(gif.end(), {0x2C, static_cast<uint8_t>(left), 0, static_cast<uint8_t>(top), 0,
                         static_cast<uint8_t>(width), 0, static_cast<uint8_t>(height), 0, 0, 8});
  std::vector<int> codes;
  for (int i = 0; i < width * height; ++i) {
    if (i % 2 == 0) codes.push_back(256);
    codes.push_back(i);
  }
  codes.push_back(257);
  Bytes packed((codes.size() * 9 + 7) / 8);
  for (size_t bit = 0; bit < codes.size() * 9; ++bit)
    packed[bit / 8] |= static_cast<uint8_t>((codes[bit / 9] >> (bit % 9) & 1) << (bit % 8));
  for (size_t place = 0; place < packed.size(); place += 255) {
    const size_t size = std::min<size_t>(255, packed.size() - place);
    gif.push_back(static_cast<uint8_t>(size));
    gif.insert(gif.end(), packed.begin() + static_cast<ptrdiff_t>(place),
               packed.begin() + static_cast<ptrdiff_t>(place + size));
  }
  gif.insert(gif.end(), {0, 0x3B});
  return gif;
}

TEST(Gif, APartLeavesTheBackground) {
  for (const bool transparent : {false, true}) {
    const auto expected = [&](int, int y, int x) {
      if (x < 3 || x >= 12 || y < 2 || y >= 10) return 255 - (transparent ? 77 : 0);
      return 255 - ((y - 2) * 9 + x - 3);
    };
    expect_pixels(gif_part(3, 2, 9, 8, transparent), expected, 0, "a part");
  }
}

TEST(Gif, AFrameBeyondTheScreenEnlargesIt) {
  const Decoded decoded = decode(gif_part(10, 8, 9, 8, false));
  EXPECT_EQ(decoded.size.width, 19);
  EXPECT_EQ(decoded.size.height, 16);
  EXPECT_EQ(decoded.rgb[3 * (15 * 19 + 18)], 255 - 71);
}

// More than 4,096 strings: the code book is full and stays.
TEST(Gif, ALargePictureFillsTheCodeBook) {
  Bytes gif = corpus_file("gif_noise");
  const Decoded decoded = decode(gif);
  ASSERT_EQ(decoded.size.width, 120);
  ASSERT_EQ(decoded.size.height, 100);
  uint32_t state = 1;
  int64_t wrong = 0;
  for (size_t i = 0; i < 120 * 100; ++i) {
    state = state * 1664525 + 1013904223;
    wrong += decoded.rgb[3 * i] != state >> 28 << 4;
  }
  EXPECT_EQ(wrong, 0);
  gif.resize(gif.size() / 2);
  expect_user_error([&] { decode(gif); }, {"ends at byte"});
}

TEST(Webp, AFrameOfAPartIsPutInItsPlace) {
  // The animation's first frame, 16x12, at (4, 2) of a picture of 24x16.
  Bytes webp = corpus_file("webp_animated");
  webp[24] = 23, webp[27] = 15;
  const size_t frame = 44 + 8;
  webp[frame] = 2, webp[frame + 3] = 1;
  const Decoded decoded = decode(webp);
  ASSERT_EQ(decoded.size.width, 24);
  ASSERT_EQ(decoded.size.height, 16);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) {
      const bool inside = x >= 4 && x < 20 && y >= 2 && y < 14;
      ASSERT_EQ(decoded.rgb[static_cast<size_t>(3 * (y * 24 + x) + 1)],
                inside ? sharp(1, y - 2, x - 4) : 0);
    }
  }
  webp[frame] = 40;
  expect_user_error([&] { decode(webp); }, {"reaches beyond the image of 24x16"});
}

// --- Words for what is not read
// -------------------------------------------------------------------

struct Kind {
  std::string name;
  Bytes bytes;
  std::string words;
};

Bytes text(const std::string& start) {
  Bytes bytes(start.begin(), start.end());
  bytes.resize(64);
  return bytes;
}

// The corpus' JPEG with one byte of its frame header changed: 0 the marker, 3 the bits, 8 channels.
Bytes jpeg_with(size_t place, uint8_t value) {
  Bytes jpeg = corpus_file("jpg_grey");
  for (const size_t segment : segments(jpeg)) {
    if (jpeg[segment + 1] == 0xC0) jpeg[segment + 1 + place] = value;
  }
  return jpeg;
}

class NamesKind : public ::testing::TestWithParam<Kind> {};

TEST_P(NamesKind, AndDoesNotCallItDamaged) {
  try {
    decode(GetParam().bytes);
    FAIL() << "was read";
  } catch (const core::UserError& error) {
    const std::string message = error.what();
    EXPECT_THAT(message, ::testing::HasSubstr(": is " + GetParam().words + ", a kind that is not"));
    EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("damaged")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, NamesKind,
    ::testing::Values(
        Kind{"heic", text(std::string("\0\0\0\x18", 4) + "ftypheic"), "a HEIC image"},
        Kind{"avif", text(std::string("\0\0\0\x18", 4) + "ftypavif"), "an AVIF image"},
        Kind{"mp4", text(std::string("\0\0\0\x18", 4) + "ftypisom"), "a video"},
        Kind{"jxl", text("\xFF\x0A"), "a JPEG XL image"},
        Kind{"psd", text("8BPS"), "a Photoshop document"},
        Kind{"pdf", text("%PDF-1.4"), "a PDF document"},
        Kind{"html", text("<!DOCTYPE html>"), "a web page"},
        Kind{"lfs", text("version https://git-lfs.github.com/spec/v1"),
             "a pointer of Git LFS (fetch the file itself)"},
        Kind{"jpeg12", jpeg_with(3, 12), "a JPEG of 12 bits a sample"},
        Kind{"jpeg16", jpeg_with(3, 16), "a JPEG of 16 bits a sample"},
        Kind{"jpeg_lossless", jpeg_with(0, 0xC3), "a lossless JPEG"},
        Kind{"jpeg_hierarchical", jpeg_with(0, 0xC5), "a hierarchical JPEG"},
        Kind{"jpeg_2_channels", jpeg_with(8, 2), "a JPEG of 2 channels"},
        Kind{"bmp_jpeg", bmp_head(40, 24, 4, 0), "a BMP of compression 4 and 24 bits a pixel"},
        Kind{"bmp_os2", bmp_head(64, 8, 0, 0), "a BMP of OS/2's second version"},
        Kind{"tiff_float", corpus_file("tiff_float"), "a TIFF of 32-bit floating-point numbers"},
        Kind{"bigtiff", text(std::string("II+\0\x08\0\0\0", 8)), "a BigTIFF"},
        Kind{"cgbi", text(std::string("\x89PNG\r\n\x1A\n\0\0\0\x04", 12) + "CgBI"),
             "a PNG in Apple's own variant (CgBI)"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ipirm::data

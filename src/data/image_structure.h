// What an image file says about itself, checked byte by byte before a decoder sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ipirm::data {

enum class ImageFormat { kPng, kJpeg, kBmp, kWebp };

constexpr size_t kImageHeadBytes = 12;         // as many tell the format
constexpr int64_t kMaxImageSide = 32768;       // pixels
constexpr int64_t kMaxImagePixels = 64 << 20;  // 192 MiB when decoded

// The format by a file's first kImageHeadBytes bytes (or fewer, if it has no more), whatever its
// name says.
std::optional<ImageFormat> image_format(std::span<const uint8_t> head);

struct EncodedImage {
  int width = 0, height = 0;  // pixels
  std::string bytes;          // what to hand to the decoder
};

// Walks the structure of a file's bytes: everything that must be there is there, and the size in
// pixels is within the limits above. PNG loses its ancillary chunks (colour profiles, texts), about
// which libpng would print warnings. Throws UserError naming `path`, the byte, what was found and
// expected.
EncodedImage check_image(const std::string& path, std::string bytes);

}  // namespace ipirm::data

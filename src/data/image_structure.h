// What an image file says about itself, checked byte by byte before a decoder sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ipirm::data {

enum class ImageFormat { kPng, kJpeg, kBmp, kWebp, kTiff, kGif, kPnm };

constexpr size_t kImageHeadBytes = 32;         // as many tell the format
constexpr int64_t kMaxImageSide = 32768;       // pixels
constexpr int64_t kMaxImagePixels = 64 << 20;  // 192 MiB when decoded

struct PixelSize {
  int width = 0, height = 0;
};

// The format by a file's first kImageHeadBytes bytes (or fewer, if it has no more), whatever its
// name says.
std::optional<ImageFormat> image_format(std::string_view head);

// Throws UserError for a file whose first bytes are those of no format that is read, naming the
// kind that they are known for.
void check_image_head(const std::string& path, std::string_view head);

struct EncodedImage {
  ImageFormat format = ImageFormat::kPng;
  PixelSize size;     // of the picture
  std::string bytes;  // what to hand to the decoder
  // What `bytes` hold, and where in the picture it lies; all around it is black. Smaller than the
  // picture only for a frame of an animated WebP.
  PixelSize frame;
  int left = 0, top = 0;
};

// Walks the structure of a file's bytes: everything that must be there is there, and the size in
// pixels is within the limits above. What decoders pass over is passed over: bytes between a JPEG's
// segments, whatever follows the image, checksums of chunks that are not needed. PNG loses its
// ancillary chunks (colour profiles, texts), about which libpng would print warnings; of an
// animated WebP the first frame is left, and runs of a BMP are written out. Throws UserError naming
// `path`, the byte, what was found and expected; a kind that is not read is called by its name, not
// damaged.
EncodedImage check_image(const std::string& path, std::string bytes);

}  // namespace ipirm::data

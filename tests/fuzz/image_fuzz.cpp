// Fuzz target: the structure of an image file, which is checked before a decoder sees it, and the
// decoders of our own.
#include "data/gif.h"
#include "data/image_structure.h"
#include "data/jpeg.h"
#include "data/pnm.h"
#include "data/tiff.h"
#include "fuzz/target.h"

namespace ipirm::fuzz {
namespace {

// Exactly as much memory as the picture needs, so that a sanitizer sees what lies beyond.
void decode(const data::EncodedImage& encoded) {
  constexpr int64_t kMostPixels = 1 << 18;  // larger ones take long
  const int64_t pixels = int64_t{encoded.size.width} * encoded.size.height;
  if (pixels > kMostPixels) return;
  std::vector<uint8_t> rgb(static_cast<size_t>(3 * pixels));
  static const bool silent = (data::silence_tiff(), true);
  static_cast<void>(silent);
  reads_or_refuses([&] {
    if (encoded.format == data::ImageFormat::kGif)
      data::decode_gif("fuzz.gif", encoded, rgb.data());
    if (encoded.format == data::ImageFormat::kPnm)
      data::decode_pnm("fuzz.ppm", encoded, rgb.data());
    if (encoded.format == data::ImageFormat::kJpeg)
      data::decode_jpeg("fuzz.jpg", encoded, rgb.data());
    if (encoded.format == data::ImageFormat::kTiff)
      data::decode_tiff("fuzz.tif", encoded, rgb.data());
  });
}

void image(Input input) {
  data::EncodedImage encoded;
  const std::string bytes(input.begin(), input.end());
  if (!reads_or_refuses([&] { encoded = data::check_image("fuzz.png", bytes); })) return;
  const auto size = encoded.size;
  require(size.width >= 1 && size.width <= data::kMaxImageSide && size.height >= 1 &&
              size.height <= data::kMaxImageSide &&
              int64_t{size.width} * size.height <= data::kMaxImagePixels,
          "an image beyond the limits");
  require(encoded.left >= 0 && encoded.top >= 0 &&
              encoded.left + encoded.frame.width <= size.width &&
              encoded.top + encoded.frame.height <= size.height,
          "a frame beyond its image");
  constexpr size_t kMark = 16;  // bytes that mend an end or fill up a row
  require(encoded.format == data::ImageFormat::kBmp || encoded.bytes.size() <= bytes.size() + kMark,
          "an image that grew");
  decode(encoded);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(image, ipirm::fuzz::image)

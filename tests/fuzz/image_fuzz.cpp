// Fuzz target: the structure of an image file, which is checked before a decoder sees it.
#include "data/image_structure.h"
#include "fuzz/target.h"

namespace ipirm::fuzz {
namespace {

void image(Input input) {
  data::EncodedImage encoded;
  const std::string bytes(input.begin(), input.end());
  if (!reads_or_refuses([&] { encoded = data::check_image("fuzz.png", bytes); })) return;
  require(encoded.width >= 1 && encoded.width <= data::kMaxImageSide && encoded.height >= 1 &&
              encoded.height <= data::kMaxImageSide &&
              int64_t{encoded.width} * encoded.height <= data::kMaxImagePixels,
          "an image beyond the limits");
  require(encoded.bytes.size() <= bytes.size(), "an image that grew");
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(image, ipirm::fuzz::image)

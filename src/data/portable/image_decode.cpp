// Stands in for image_decode.cpp in programs without image decoders (src/bin/portable.cmake): image
// folders are refused.
#include "data/image_decode.h"

#include "ipirm/core/error.h"

namespace ipirm::data {
namespace {

[[noreturn]] void refuse() {
  throw core::UserError(
      "--dataset Folder: this program was built without image decoders, to run anywhere; use one "
      "that scripts/setup.sh built, or another --dataset");
}

}  // namespace

void prepare_image_decoder() { refuse(); }

PixelSize decode_image_file(const std::string&, int, std::vector<uint8_t>&) { refuse(); }

void check_image_file(const std::string&) { refuse(); }

}  // namespace ipirm::data

// Decoding, cropping and scaling of one image file.
#include "data/image_decode.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/image_structure.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::data {
namespace {

constexpr uint64_t kMaxFileBytes = 256 << 20;

// Blue, green, red; empty if the decoder gives up.
cv::Mat decode(EncodedImage& encoded) {
  const cv::Mat bytes(1, static_cast<int>(encoded.bytes.size()), CV_8UC1, encoded.bytes.data());
  try {
    return cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw;
    return {};
  }
}

}  // namespace

void prepare_image_decoder() {
  cv::setNumThreads(1);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

void decode_image_file(const std::string& path, uint8_t* rgb) {
  EncodedImage encoded = check_image(path, core::read_file(path, kMaxFileBytes));
  const cv::Mat bgr = decode(encoded);
  if (bgr.cols != encoded.width || bgr.rows != encoded.height || bgr.type() != CV_8UC3) {
    throw core::UserError(core::cat(path, ": its pixels cannot be decoded, expected an image of ",
                                    encoded.width, "x", encoded.height,
                                    "; the file is damaged: replace or remove it"));
  }
  const int side = std::min(bgr.cols, bgr.rows);
  const cv::Mat square = bgr(cv::Rect((bgr.cols - side) / 2, (bgr.rows - side) / 2, side, side));
  cv::Mat scaled, out(kDecodedSide, kDecodedSide, CV_8UC3, rgb);
  cv::resize(square, scaled, out.size(), 0, 0,
             side > kDecodedSide ? cv::INTER_AREA : cv::INTER_LINEAR);
  cv::cvtColor(scaled, out, cv::COLOR_BGR2RGB);
}

}  // namespace ipirm::data

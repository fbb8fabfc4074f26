// Decoding, cropping and scaling of one image file.
#include "data/image_decode.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string_view>

#include "data/gif.h"
#include "data/jpeg.h"
#include "data/pnm.h"
#include "data/tiff.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::data {
namespace {

constexpr uint64_t kMaxFileBytes = 256 << 20;
constexpr size_t kJpegTail = 1024;  // bytes at a file's end that the end mark is looked for in

// Blue, green, red; empty if the decoder gives up.
cv::Mat decode_by_opencv(EncodedImage& encoded) {
  const cv::Mat bytes(1, static_cast<int>(encoded.bytes.size()), CV_8UC1, encoded.bytes.data());
  try {
    return cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) throw;
    return {};
  }
}

// Red, green, blue: the whole picture.
cv::Mat decode(const std::string& path, EncodedImage& encoded) {
  cv::Mat rgb(encoded.size.height, encoded.size.width, CV_8UC3);
  switch (encoded.format) {
    case ImageFormat::kJpeg:
      decode_jpeg(path, encoded, rgb.data);
      return rgb;
    case ImageFormat::kGif:
      decode_gif(path, encoded, rgb.data);
      return rgb;
    case ImageFormat::kTiff:
      decode_tiff(path, encoded, rgb.data);
      return rgb;
    case ImageFormat::kPnm:
      decode_pnm(path, encoded, rgb.data);
      return rgb;
    default:
      break;
  }
  const cv::Mat bgr = decode_by_opencv(encoded);
  const PixelSize frame = encoded.frame;
  if (bgr.cols != frame.width || bgr.rows != frame.height || bgr.type() != CV_8UC3) {
    throw core::UserError(core::cat(path, ": its pixels cannot be decoded, expected an image of ",
                                    frame.width, "x", frame.height,
                                    "; the file is damaged, or compressed in a way that is not "
                                    "read: re-save, replace or remove it"));
  }
  rgb.setTo(0);
  cv::Mat place = rgb(cv::Rect(encoded.left, encoded.top, frame.width, frame.height));
  cv::cvtColor(bgr, place, cv::COLOR_BGR2RGB);
  return rgb;
}

}  // namespace

void prepare_image_decoder() {
  cv::setNumThreads(1);
  silence_tiff();
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
}

PixelSize decode_image_file(const std::string& path, int side, std::vector<uint8_t>& rgb) {
  EncodedImage encoded = check_image(path, core::read_file(path, kMaxFileBytes));
  const cv::Mat whole = decode(path, encoded);
  const PixelSize size = side > 0 ? PixelSize{side, side} : encoded.size;
  rgb.resize(size_t{3} * static_cast<size_t>(size.width) * static_cast<size_t>(size.height));
  cv::Mat out(size.height, size.width, CV_8UC3, rgb.data());
  if (side == 0) {
    whole.copyTo(out);
    return size;
  }
  const int shorter = std::min(whole.cols, whole.rows);
  const cv::Mat square =
      whole(cv::Rect((whole.cols - shorter) / 2, (whole.rows - shorter) / 2, shorter, shorter));
  cv::resize(square, out, out.size(), 0, 0, shorter > side ? cv::INTER_AREA : cv::INTER_LINEAR);
  return size;
}

void check_image_file(const std::string& path) {
  EncodedImage encoded = check_image(path, core::read_file(path, kMaxFileBytes));
  // Nothing before its end mark says where the data of a JPEG end.
  const std::string_view bytes = encoded.bytes;
  const auto tail = bytes.substr(bytes.size() - std::min(bytes.size(), kJpegTail));
  if (encoded.format == ImageFormat::kJpeg && tail.find("\xFF\xD9") == std::string_view::npos)
    decode(path, encoded);
}

}  // namespace ipirm::data

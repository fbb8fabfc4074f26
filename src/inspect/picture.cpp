// Draws with OpenCV, which decodes the images of folders already.
#include "ipirm/inspect/picture.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <utility>

#include "ipirm/core/text.h"

namespace ipirm::inspect {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontScale = 0.36;
constexpr int kJpegQuality = 88;
constexpr size_t kSmallPng = 150'000;  // bytes
constexpr int kLeastSide = 64, kLargestSide = 96, kEnlargedBelow = 48;

cv::Scalar scalar(Colour colour) {
  return {double(colour.red), double(colour.green), double(colour.blue)};
}

// The pixels as a matrix of OpenCV, without a copy. OpenCV has no matrix of constants.
cv::Mat matrix(const std::vector<uint8_t>& pixels, int width, int height) {
  return {height, width, CV_8UC3, const_cast<uint8_t*>(pixels.data())};
}

cv::Mat copied(const data::Image& image) {
  cv::Mat result(image.height, image.width, CV_8UC3);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      auto& pixel = result.at<cv::Vec3b>(y, x);
      for (int c = 0; c < 3; ++c)
        pixel[c] =
            image.pixels[c * image.channel_stride + y * image.row_stride + x * image.column_stride];
    }
  }
  return result;
}

std::string printable(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // the rest of a character whose first byte became '?'
    result += core::is_control(c) || byte >= 0x80 ? '?' : c;
  }
  return result;
}

int width_of(const std::string& text) {
  int below = 0;
  return cv::getTextSize(text, kFont, kFontScale, 1, &below).width;
}

std::vector<uint8_t> encoded(const cv::Mat& rgb, const std::string& suffix,
                             const std::vector<int>& settings) {
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  if (!cv::imencode(suffix, bgr, bytes, settings))
    throw std::runtime_error("a picture could not be encoded as " + suffix);
  return bytes;
}

}  // namespace

void require_pictures(const std::string&) {}

Colour colour_of(int64_t i, int64_t n) {
  // Hues evenly around the circle; of many, neighbours differ in brightness too.
  const double hue = 6.0 * static_cast<double>(i) / static_cast<double>(std::max<int64_t>(n, 1));
  const double high = n > 6 && i % 2 == 1 ? 150 : 215, low = 40;
  const auto channel = [&](double shift) {
    const double distance = std::fabs(std::fmod(hue + shift, 6.0) - 3.0);  // 3 at the peak
    return static_cast<uint8_t>(low + (high - low) * std::clamp(distance - 1.0, 0.0, 1.0));
  };
  return {channel(0), channel(4), channel(2)};
}

int shown_side(int stored_side) {
  if (stored_side <= 0) return kLargestSide;
  if (stored_side >= kEnlargedBelow) return std::min(stored_side, kLargestSide);
  return (kLeastSide + stored_side - 1) / stored_side * stored_side;
}

Picture::Picture(int width, int height, Colour ground)
    : width_(width),
      height_(height),
      pixels_(static_cast<size_t>(width) * static_cast<size_t>(height) * 3) {
  fill(0, 0, width, height, ground);
}

Colour Picture::at(int x, int y) const {
  const uint8_t* pixel =
      &pixels_[3 * (static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x))];
  return {pixel[0], pixel[1], pixel[2]};
}

void Picture::draw(const data::Image& image, int left, int top, int side) {
  const int largest = std::max(image.height, image.width);
  const double factor =
      largest <= side ? side / largest : static_cast<double>(side) / static_cast<double>(largest);
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.width * factor))),
                      std::max(1, static_cast<int>(std::lround(image.height * factor))));
  cv::Mat scaled;
  cv::resize(copied(image), scaled, size, 0, 0, factor >= 1 ? cv::INTER_NEAREST : cv::INTER_AREA);
  const cv::Rect place(left + (side - size.width) / 2, top + (side - size.height) / 2, size.width,
                       size.height);
  scaled.copyTo(matrix(pixels_, width_, height_)(place));
}

void Picture::write(const std::string& text, int left, int baseline, int room, Colour colour) {
  std::string line = printable(text);
  if (width_of(line) > room) {
    while (!line.empty() && width_of(line + "..") > room) line.pop_back();
    line += "..";
  }
  cv::putText(matrix(pixels_, width_, height_), line, {left, baseline}, kFont, kFontScale,
              scalar(colour), 1, cv::LINE_AA);
}

void Picture::fill(int left, int top, int width, int height, Colour colour) {
  cv::rectangle(matrix(pixels_, width_, height_), cv::Rect(left, top, width, height),
                scalar(colour), cv::FILLED);
}

void Picture::frame(int left, int top, int width, int height, int thickness, Colour colour) {
  fill(left - thickness, top - thickness, width + 2 * thickness, thickness, colour);
  fill(left - thickness, top + height, width + 2 * thickness, thickness, colour);
  fill(left - thickness, top, thickness, height, colour);
  fill(left + width, top, thickness, height, colour);
}

void Picture::dot(double x, double y, int radius, Colour colour) {
  constexpr int kFraction = 4;  // bits of a pixel's place
  const auto place = [](double v) { return static_cast<int>(std::lround(v * (1 << kFraction))); };
  cv::circle(matrix(pixels_, width_, height_), {place(x), place(y)}, radius << kFraction,
             scalar(colour), cv::FILLED, cv::LINE_AA, kFraction);
}

std::vector<uint8_t> Picture::png() const {
  return encoded(matrix(pixels_, width_, height_), ".png", {cv::IMWRITE_PNG_COMPRESSION, 6});
}

std::vector<uint8_t> Picture::jpeg() const {
  return encoded(matrix(pixels_, width_, height_), ".jpg",
                 {cv::IMWRITE_JPEG_QUALITY, kJpegQuality, cv::IMWRITE_JPEG_OPTIMIZE, 1});
}

PageImage page_image(const Picture& picture, std::vector<uint8_t> png) {
  PageImage image{picture.width(), picture.height(), "png", std::move(png)};
  if (image.bytes.size() <= kSmallPng) return image;
  if (auto smaller = picture.jpeg(); smaller.size() < image.bytes.size()) {
    image.type = "jpeg";
    image.bytes = std::move(smaller);
  }
  return image;
}

}  // namespace ipirm::inspect

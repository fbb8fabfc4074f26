// Small pictures in memory: images of a set side by side, as PNG.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/data/image.h"

namespace ipirm::observe {

// 8 bits a channel: red, green, blue.
class Picture {
 public:
  // White. height, width >= 1, pixels.
  Picture(int height, int width);

  int height() const { return height_; }
  int width() const { return width_; }
  // Draws the whole image into the middle of a square of the picture: each pixel there is the mean
  // of the image's pixels that it covers, or the one that covers it. What is left of the square
  // stays as it is.
  void draw(const data::Image& image, int top, int left, int side);
  // The bytes of a PNG file.
  std::string png() const;

 private:
  int height_, width_;
  // Row by row.
  std::vector<uint8_t> pixels_;
};

}  // namespace ipirm::observe

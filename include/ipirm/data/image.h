// A borrowed 8-bit RGB image in any memory layout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ipirm::data {

// Channel c (0 red, 1 green, 2 blue) of the pixel in row y, column x is
// pixels[c * channel_stride + y * row_stride + x * column_stride]: planar (CIFAR), planar
// column-major (STL) and interleaved images are used where they lie, without a copy.
struct Image {
  const uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
  ptrdiff_t channel_stride = 0;
  ptrdiff_t row_stride = 0;
  ptrdiff_t column_stride = 0;
};

}  // namespace ipirm::data

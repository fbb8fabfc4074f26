// Colour jitter, grayscale, blur and normalisation as Pillow, torchvision and OpenCV compute them.
#include <array>
#include <cmath>

#include "augment/operations.h"
#include "ipirm/augment/recipe.h"

namespace ipirm::augment {
namespace {

// The 256 normalised values of each channel: a look-up is as fast as the arithmetic and rounds as
// torch does.
using NormaliseTable = std::array<std::array<float, 256>, 3>;

constexpr NormaliseTable make_normalise_table() {
  NormaliseTable table{};
  for (size_t channel = 0; channel < 3; ++channel) {
    for (size_t value = 0; value < 256; ++value) {
      table[channel][value] = (static_cast<float>(value) / 255.0f - kMean[channel]) / kStd[channel];
    }
  }
  return table;
}

constexpr NormaliseTable kNormalise = make_normalise_table();

// Writes value(channel, byte) for each value of the picture to its place behind `to`.
template <class T, class Value>
void write_pixels(const Planes& image, T* to, const data::ViewOut& out, const Value& value) {
  const int n = image.pixels();
  const uint8_t* planes[3] = {image.red, image.green, image.blue};
  if (out.pixel_stride == 1) {
    for (size_t channel = 0; channel < 3; ++channel) {
      const uint8_t* plane = planes[channel];
      T* values = to + static_cast<ptrdiff_t>(channel) * out.channel_stride;
      for (int i = 0; i < n; ++i) values[i] = value(channel, plane[i]);
    }
  } else {
    for (int i = 0; i < n; ++i) {
      T* values = to + i * out.pixel_stride;
      values[0] = value(0, planes[0][i]);
      values[out.channel_stride] = value(1, planes[1][i]);
      values[2 * out.channel_stride] = value(2, planes[2][i]);
    }
  }
}

template <class T, class Value>
void write_pixels(const data::Image& image, T* to, const data::ViewOut& out, const Value& value) {
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = 0; y < image.height; ++y) {
      const uint8_t* row = image.pixels + channel * image.channel_stride + y * image.row_stride;
      T* values = to + channel * out.channel_stride +
                  static_cast<ptrdiff_t>(y) * image.width * out.pixel_stride;
      for (int x = 0; x < image.width; ++x) {
        values[x * out.pixel_stride] =
            value(static_cast<size_t>(channel), row[x * image.column_stride]);
      }
    }
  }
}

// Normalised, or as it is for a view of 8 bits.
template <class Pixels>
void write_in_form(const Pixels& image, const data::ViewOut& out) {
  if (out.bytes) {
    write_pixels(image, out.bytes, out, [](size_t, uint8_t value) { return value; });
  } else {
    write_pixels(image, out.out, out,
                 [](size_t channel, uint8_t value) { return kNormalise[channel][value]; });
  }
}

}  // namespace

void adjust_brightness(const Planes& image, double factor) {
  for (uint8_t* plane : {image.red, image.green, image.blue}) {
    best_kernels().blend_with_constant(plane, image.pixels(), 0, static_cast<float>(factor));
  }
}

void adjust_contrast(const Planes& image, double factor) {
  const int64_t n = image.pixels();
  const int64_t sum = best_kernels().sum_luma(image.red, image.green, image.blue, image.pixels());
  const int mean = static_cast<int>((2 * sum + n) / (2 * n));
  for (uint8_t* plane : {image.red, image.green, image.blue}) {
    best_kernels().blend_with_constant(plane, image.pixels(), mean, static_cast<float>(factor));
  }
}

void adjust_saturation(const Planes& image, double factor) {
  best_kernels().blend_with_luma(image.red, image.green, image.blue, image.pixels(),
                                 static_cast<float>(factor));
}

void adjust_hue(const Planes& image, double turns) {
  // Truncated toward 0 and wrapped to 8 bits, as torchvision does.
  const int shift = static_cast<int>(turns * 255.0) & 255;
  best_kernels().shift_hue(image.red, image.green, image.blue, image.pixels(), shift);
}

void to_grayscale(const Planes& image) {
  best_kernels().to_luma(image.red, image.green, image.blue, image.pixels());
}

void gaussian_blur(const Planes& image, double sigma, Workspace& workspace) {
  const double neighbour = std::exp(-0.5 / (sigma * sigma));
  const int side = static_cast<int>(std::nearbyint(256.0 * neighbour / (1.0 + 2.0 * neighbour)));
  if (side == 0) return;
  const size_t pixels = static_cast<size_t>(image.pixels());
  if (workspace.blur.size() < pixels) workspace.blur.resize(pixels);
  for (uint8_t* plane : {image.red, image.green, image.blue}) {
    best_kernels().blur(plane, image.height, image.width, side, workspace.blur.data());
  }
}

void write_view(const Planes& image, const data::ViewOut& out) { write_in_form(image, out); }
void write_view(const data::Image& image, const data::ViewOut& out) { write_in_form(image, out); }

}  // namespace ipirm::augment

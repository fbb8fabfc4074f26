// Pure operations on 8-bit pictures: the steps of METHOD 2, equal to Pillow and OpenCV in every
// bit.
#pragma once

#include <cstdint>
#include <vector>

#include "augment/kernels.h"
#include "ipirm/data/image.h"
#include "ipirm/data/loader.h"

namespace ipirm::augment {

// An 8-bit RGB picture in memory of the caller's; each plane is row-major without gaps.
struct Planes {
  uint8_t* red = nullptr;
  uint8_t* green = nullptr;
  uint8_t* blue = nullptr;
  int height = 0;
  int width = 0;
  int pixels() const { return height * width; }
};

// Weights of a bilinear resize of `in` pixels to `out`, with antialiasing: a triangle widened by
// the scale on shrinking, cut off at the picture's ends and renormalised (Pillow's
// precompute_coeffs). in, out >= 1.
class Taps {
 public:
  void compute(int in, int out) { compute(in, out, 0, out); }
  // Of `outputs` outputs from `begin` on alone; inputs are counted from first_input() on.
  void compute(int in, int out, int begin, int outputs);
  TapsView view() const;
  // The inputs that the outputs need: first_input() .. end_input() - 1.
  int first_input() const { return first_input_; }
  int end_input() const { return end_input_; }

 private:
  int outputs_ = 0, stride_ = 0, first_input_ = 0, end_input_ = 0;
  std::vector<int32_t> first_, number_, weight_, pair_;
  std::vector<double> exact_;
};

// The taps of one output size for every input length met so far: making a view's two anew took a
// twelfth of its time.
class TapsTable {
 public:
  const Taps& get(int in, int out);

 private:
  int out_ = 0;
  std::vector<Taps> by_length_;
  Taps long_;  // of the last length beyond the table
};

// Memory that the operations need; it grows to the largest picture seen and is then reused.
struct Workspace {
  std::vector<uint8_t> bordered, crop, first_pass, turned, second_pass, planes;
  std::vector<uint16_t> blur;
  TapsTable horizontal, vertical;
  Taps across, down;  // of one picture's middle
  // A size x size picture in `planes`.
  Planes square(int size);
};

struct CropBox {
  int top = 0, left = 0, height = 0, width = 0;  // pixels
};

// The box of the image, resized to out's size, 8 bit between the two directions; mirrored left to
// right if flip. Horizontally first, except that a box whose height shrinks by more than twice the
// pixels that its width does goes vertically first: the rule of Pillow 13 (12.0 has none), which
// the golden values follow.
void crop_resize(const data::Image& image, const CropBox& box, bool flip, Workspace& workspace,
                 const Planes& out);

// The middle of the image resized so that its shorter side is `shorter` pixels: torchvision's
// Resize(shorter) and CenterCrop of out's size, with the same rounding. What lies outside is not
// computed. out's sides are at most `shorter`.
void resize_centre(const data::Image& image, int shorter, Workspace& workspace, const Planes& out);

// Blends with black, with the mean luma, and with each pixel's luma; factor 1 changes nothing.
// factor >= 0.
void adjust_brightness(const Planes& image, double factor);
void adjust_contrast(const Planes& image, double factor);
void adjust_saturation(const Planes& image, double factor);
// Turns the hue by `turns`, [-.5, .5], through 8-bit HSV (whose rounding moves pixels a few levels
// even at 0).
void adjust_hue(const Planes& image, double turns);
void to_grayscale(const Planes& image);
// 3x3 Gaussian, sigma in pixels, > 0.
void gaussian_blur(const Planes& image, double sigma, Workspace& workspace);

// Writes (value / 255 - mean) / std in float32, or the value itself where `out` takes 8 bits.
void write_view(const Planes& image, const data::ViewOut& out);
void write_view(const data::Image& image, const data::ViewOut& out);

}  // namespace ipirm::augment

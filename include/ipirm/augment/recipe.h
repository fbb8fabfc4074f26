// The augmentation recipe of METHOD 2: draws (random -> parameters) and views (image, parameters ->
// normalised float32, or 8 bits where the output takes those).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ipirm/augment/options.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image.h"
#include "ipirm/data/loader.h"

namespace ipirm::augment {

// Channel means and standard deviations of the normalisation, after scaling to [0, 1].
inline constexpr std::array<float, 3> kMean = {0.4914f, 0.4822f, 0.4465f};
inline constexpr std::array<float, 3> kStd = {0.2023f, 0.1994f, 0.2010f};

// Everything random about one training view.
struct ViewDraw {
  int top = 0, left = 0, height = 0, width = 0;  // crop, pixels
  bool flip = false;
  bool jitter = false;                      // false also where the jitter's strength is 0
  std::array<int, 4> order = {0, 1, 2, 3};  // of 0 brightness, 1 contrast, 2 saturation, 3 hue
  double brightness = 1, contrast = 1, saturation = 1;  // factors
  double hue = 0;                                       // shift in turns, [-.5, .5]
  bool grayscale = false;
  bool blur = false;
  double sigma = 1;  // of the 3x3 Gaussian, pixels
};

// Draws a view of a height x width image (both >= 1). The uniform draws and their order are fixed,
// whatever the options: flip; jitter or not; order (3); brightness, contrast, saturation, hue;
// grayscale; blur or not; sigma; the crop's vertical and horizontal place; then area and aspect
// ratio, again for each further try. So no setting shifts another's draws, and the number of tries
// shifts none. options.recipe and options.crop_size are not read.
ViewDraw draw_view(core::KeyedRandom& random, const AugmentOptions& options, int height, int width);

// The training view: crop and resize to size x size, flip, jitter, grayscale, blur, normalise.
// Writes 3*size*size values, the same on every processor. What a crop takes in beyond the image is
// black; its height and width and the size are >= 1. Safe to call from several threads.
void make_view(const data::Image& image, const ViewDraw& draw, int size, const data::ViewOut& out);

// The test view of a picture of any size: resized so that its shorter side is 8/7 of `size`, the
// middle size x size cut out, normalised, as torchvision's Resize, CenterCrop and Normalize do.
void make_test_view(const data::Image& image, int size, const data::ViewOut& out);

// The test view of images of one size: to [0, 1] and normalise, at the image's own size.
void make_plain_view(const data::Image& image, const data::ViewOut& out);

}  // namespace ipirm::augment

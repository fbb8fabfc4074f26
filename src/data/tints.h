// Which colour each grey image gets, and how it is put on.
#pragma once

#include <cstdint>
#include <vector>

#include "data/hues.h"

namespace ipirm::data {

// The streams of core::Purpose::kTints: the generator's `epoch`. A part's colours are drawn from
// the stream of its number.
enum class TintStream : uint64_t {
  kTrainColours = 0,
  kTestColours = 1,
  kNoise = 2,
  kEnvironments = 3,
  kFlips = 4
};

// Of two colours the first is red and the second green; of more, hue/num of a turn each.
Rgb tint_colour(int colour, int num_colours);

// A colour 0..num_colours-1 for each image: the images of a class, permuted by a fixed seed, take
// the colours in turn, so that the numbers of a class's images in two colours differ by 1 at most.
std::vector<int64_t> balanced_colours(const std::vector<int64_t>& labels, int num_classes,
                                      int num_colours, TintStream stream);

// Writes the image's three planes R, G, B of `pixels` values each: noise + grey/255 * colour, at
// most 255. The noise is uniform in 0..most_noise, for each pixel and channel, keyed by `image`.
void put_tint(const uint8_t* grey, int64_t pixels, const Rgb& colour, int most_noise, int64_t image,
              uint8_t* planes);

// The correlated form (IRM's coloured MNIST): what becomes of a set of images with these labels.
struct CorrelatedSample {
  int64_t image;        // its number among the images
  int64_t label;        // [class < 5], flipped with probability .25
  int64_t colour;       // the label, flipped with probability .1, .2 or .9 by environment
  int64_t environment;  // 0 and 1 train, 2 tests
};

inline constexpr int kNumEnvironments = 3;

// The images in an order of a fixed seed; sample i belongs to environment i mod 3.
std::vector<CorrelatedSample> correlated_samples(const std::vector<int64_t>& classes);

}  // namespace ipirm::data

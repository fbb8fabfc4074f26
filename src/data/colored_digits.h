// ColoredDigits, the embedded data set: real digits in random colours (METHOD 1.1).
#pragma once

#include "ipirm/data/image_set.h"

namespace ipirm::data {

constexpr int kNumHues = 10;
constexpr int kColoredSide = 32;  // pixels

// Makes 1,437 training images and 360 test images of 32x32, the same at every call on every
// machine, with the factors "digit" and "colour" of 10 values each. Each of the 1,797 digits of
// digits_8x8.h becomes one image, by a fixed seed that is the set's own. One hue h of 10 is drawn
// independently of the digit: its colour is saturated, h/10 of a turn round the colour circle. The
// 8x8 values are enlarged to 26x26 by cubic interpolation and put into the middle of the image,
// where they are the intensity 0..1 of that colour. A pixel is noise + intensity * colour, at most
// 255, and the noise is uniform in 0..80, drawn for each pixel and channel. A fixed permutation
// puts 1,437 of the images into train and the others into test.
DataSets make_colored_digits();

}  // namespace ipirm::data

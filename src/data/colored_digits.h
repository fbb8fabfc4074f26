// ColoredDigits, the embedded data set: real digits in random colours (METHOD 1.1).
#pragma once

#include "ipirm/data/image_set.h"

namespace ipirm::data {

constexpr int kNumHues = 10;
constexpr int kColoredSide = 32;  // pixels

// 1,437 training images and 360 test images of 32x32, the same at every call on every machine.
// Factors "digit" and "colour", 10 values each. For each of the 1,797 digits of digits_8x8.h, by a
// fixed seed that is the set's own:
// - a hue h of 10, drawn independently of the digit: the saturated colour h/10 of a turn round the
// colour circle;
// - the 8x8 values enlarged to 26x26 by cubic interpolation, in the middle of the image, are the
// intensity 0..1 of it;
// - pixel = noise + intensity * colour, at most 255; noise is uniform in 0..80, drawn for each
// pixel and channel. A fixed permutation puts the first 1,437 into train and the others into test.
DataSets make_colored_digits();

}  // namespace ipirm::data

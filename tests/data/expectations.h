// What the tests of image sets ask of pixels and of error messages.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "support/user_error.h"

namespace ipirm::data {

inline int value_at(const Image& image, int c, int y, int x) {
  return image.pixels[c * image.channel_stride + y * image.row_stride + x * image.column_stride];
}

// How many channel values of image i differ from expected(c, y, x) by more than tolerance; -1 for a
// wrong size.
template <class Expected>
int64_t num_wrong(const ImageSet& set, int64_t i, int side, Expected expected, int tolerance = 0) {
  std::vector<uint8_t> scratch;
  const Image image = set.image(i, scratch);
  if (image.height != side || image.width != side) return -1;
  int64_t wrong = 0;
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x)
        wrong += std::abs(value_at(image, c, y, x) - expected(c, y, x)) > tolerance;
    }
  }
  return wrong;
}

// The one line of a UserError that `action` must throw and that must hold each of `words`.
template <class Action>
void expect_user_error(Action action, const std::vector<std::string>& words) {
  const std::string message = test::user_error(action);
  for (const auto& word : words) EXPECT_THAT(message, ::testing::HasSubstr(word));
}

}  // namespace ipirm::data

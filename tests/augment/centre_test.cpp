// The middle of a resized picture, against the whole picture resized and then cut.
#include <gtest/gtest.h>

#include "augment/operations.h"
#include "augment/pictures.h"
#include "augment/plain_resize.h"

namespace ipirm::augment {
namespace {

// torchvision's Resize and CenterCrop: the whole picture first, then its middle.
Rows plainly_centred(const Picture& image, int channel, int shorter, int size) {
  const double least = std::min(image.height, image.width);
  const auto side = [&](int length) { return static_cast<int>(shorter * length / least); };
  Rows rows;
  for (int y = 0; y < image.height; ++y) {
    const auto begin =
        image.bytes.begin() + (static_cast<ptrdiff_t>(channel) * image.height + y) * image.width;
    rows.emplace_back(begin, begin + image.width);
  }
  const int height = side(image.height), width = side(image.width);
  const int lost_height = image.height - height, lost_width = image.width - width;
  if (lost_height > 0 && lost_height > 2 * lost_width) {
    rows = resized_rows(transposed(resized_rows(transposed(rows), height)), width);
  } else {
    rows = transposed(resized_rows(transposed(resized_rows(rows, width)), height));
  }
  const auto start = [&](int length) {  // Python's round: halves to even
    const int twice = length - size;
    return twice % 2 == 0 ? twice / 2 : (twice / 2) % 2 == 0 ? twice / 2 : twice / 2 + 1;
  };
  Rows middle;
  for (int y = 0; y < size; ++y) {
    const auto& row = rows[static_cast<size_t>(start(height) + y)];
    middle.emplace_back(row.begin() + start(width), row.begin() + start(width) + size);
  }
  return middle;
}

TEST(Operations, ResizeCentreEqualsTheWholePictureResizedAndThenCut) {
  auto random = test_random(2);
  Workspace workspace;
  struct Case {
    int height, width, shorter, size;
  };
  std::vector<Case> cases = {{100, 300, 37, 32}, {300, 100, 37, 32}, {96, 96, 37, 32},
                             {1, 90, 9, 8},      {90, 1, 9, 8},      {37, 38, 37, 32},
                             {20, 31, 73, 64},   {700, 150, 37, 32}, {38, 37, 37, 37}};
  for (int i = 0; i < 60; ++i) {
    const int size = 8 + static_cast<int>(random.below(40));
    cases.push_back({1 + static_cast<int>(random.below(150)),
                     1 + static_cast<int>(random.below(150)),
                     size + static_cast<int>(random.below(9)), size});
  }
  for (const auto& [height, width, shorter, size] : cases) {
    const Picture picture = random_picture(random, height, width);
    const auto interleaved = picture.tensor();
    Picture out(size, size), other(size, size);
    resize_centre(picture.image(), shorter, workspace, out.planes());
    resize_centre({interleaved.data_ptr<uint8_t>(), height, width, 1, 3 * ptrdiff_t{width}, 3},
                  shorter, workspace, other.planes());
    std::vector<uint8_t> expected;
    for (int channel = 0; channel < 3; ++channel) {
      for (const auto& row : plainly_centred(picture, channel, shorter, size))
        expected.insert(expected.end(), row.begin(), row.end());
    }
    ASSERT_EQ(out.bytes, expected) << height << "x" << width << " to " << shorter << ", " << size;
    ASSERT_EQ(other.bytes, expected) << height << "x" << width << " to " << shorter << ", " << size;
  }
}

}  // namespace
}  // namespace ipirm::augment

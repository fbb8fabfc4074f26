// Tests of the image operations: golden values, Pillow's plain arithmetic, and properties.
#include "augment/operations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "augment/pictures.h"
#include "augment/plain_resize.h"
#include "support/golden.h"

namespace ipirm::augment {
namespace {

using testing::golden;

// The golden README allows +-1 (hue +-2); the operations are meant to be equal to Pillow's and
// OpenCV's byte for byte.
void expect_equal(const torch::Tensor& found, const torch::Tensor& expected) {
  EXPECT_TRUE(torch::equal(found, expected))
      << (found != expected).sum().item<int64_t>() << " bytes differ, by up to "
      << max_difference(found, expected);
}

Picture resized(const data::Image& image, const CropBox& box, bool flip, int size) {
  Workspace workspace;
  Picture out(size, size);
  crop_resize(image, box, flip, workspace, out.planes());
  return out;
}

// --- Golden -------------------------------------------------------------------------------------

class GoldenCrop : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenCrop, Equals) {
  const Picture image = picture_of(golden("augment_crop", "image" + GetParam()));
  const auto crops = golden("augment_crop", "crops" + GetParam());
  const auto expected = golden("augment_crop", "out" + GetParam());
  ASSERT_GT(crops.size(0), 0);
  for (int64_t i = 0; i < crops.size(0); ++i) {
    const auto crop = crops[i].to(torch::kInt32);
    const int* box = crop.data_ptr<int>();
    expect_equal(resized(image.image(), {box[0], box[1], box[2], box[3]}, false, 32).tensor(),
                 expected[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GoldenCrop, ::testing::Values("32", "96"));

struct GoldenStep {
  std::string name;
  std::function<void(const Planes&, double)> apply;
};

class GoldenColour : public ::testing::TestWithParam<GoldenStep> {};

TEST_P(GoldenColour, Equals) {
  const auto factors = golden("augment_color", GetParam().name + "_factors");
  const auto expected = golden("augment_color", GetParam().name);
  ASSERT_GT(factors.size(0), 0);
  for (int64_t i = 0; i < factors.size(0); ++i) {
    Picture image = picture_of(golden("augment_color", "image"));
    GetParam().apply(image.planes(), factors[i].item<double>());
    expect_equal(image.tensor(), expected[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, GoldenColour,
                         ::testing::Values(GoldenStep{"brightness", adjust_brightness},
                                           GoldenStep{"contrast", adjust_contrast},
                                           GoldenStep{"saturation", adjust_saturation},
                                           GoldenStep{"hue", adjust_hue}),
                         [](const auto& step) { return step.param.name; });

TEST(Operations, GrayscaleEqualsGolden) {
  Picture image = picture_of(golden("augment_color", "image"));
  to_grayscale(image.planes());
  expect_equal(image.tensor(), golden("augment_color", "grayscale"));
}

TEST(Operations, FlipEqualsGolden) {
  const Picture image = picture_of(golden("augment_color", "image"));
  expect_equal(resized(image.image(), {0, 0, 32, 32}, true, 32).tensor(),
               golden("augment_color", "flip"));
}

TEST(Operations, BlurEqualsGolden) {
  const auto sigmas = golden("augment_blur", "sigmas");
  const auto expected = golden("augment_blur", "out");
  for (int64_t i = 0; i < sigmas.size(0); ++i) {
    Picture image = picture_of(golden("augment_blur", "image"));
    Workspace workspace;
    gaussian_blur(image.planes(), sigmas[i].item<double>(), workspace);
    expect_equal(image.tensor(), expected[i]);
  }
}

// --- Pillow's arithmetic, plainly ---------------------------------------------------------------

Rows plainly_resized(const Picture& image, int channel, const CropBox& box, bool flip, int size) {
  Rows rows;
  for (int y = box.top; y < box.top + box.height; ++y) {
    const auto begin = image.bytes.begin() +
                       (static_cast<ptrdiff_t>(channel) * image.height + y) * image.width +
                       box.left;
    rows.emplace_back(begin, begin + box.width);
  }
  const int lost_height = box.height - size, lost_width = box.width - size;
  if (lost_height > 0 && lost_height > 2 * lost_width) {
    rows = resized_rows(transposed(resized_rows(transposed(rows), size)), size);
  } else {
    rows = transposed(resized_rows(transposed(resized_rows(rows, size)), size));
  }
  if (flip) {
    for (auto& row : rows) std::reverse(row.begin(), row.end());
  }
  return rows;
}

// Images and boxes of any size, in the three layouts that exist; widths below, at and beyond the
// kernels' vectors.
TEST(Operations, CropResizeEqualsPlainArithmeticInEveryLayout) {
  auto random = test_random(1);
  Workspace workspace;  // kept: remains of one picture must not show in the next
  const int sizes[] = {32, 8, 13, 20, 64, 1};
  for (int i = 0; i < 240; ++i) {
    const int height = 1 + static_cast<int>(random.below(i % 3 == 0 ? 12 : 120));
    const int width = 1 + static_cast<int>(random.below(i % 4 == 0 ? 12 : 120));
    const Picture picture = random_picture(random, height, width);
    CropBox box;
    box.height = 1 + static_cast<int>(random.below(static_cast<uint32_t>(height)));
    box.width = 1 + static_cast<int>(random.below(static_cast<uint32_t>(width)));
    box.top = static_cast<int>(random.below(static_cast<uint32_t>(height - box.height + 1)));
    box.left = static_cast<int>(random.below(static_cast<uint32_t>(width - box.width + 1)));
    const bool flip = i % 2 == 0;
    const int size = sizes[i % 6];

    const auto interleaved = picture.tensor();
    const auto column_major = interleaved.permute({2, 1, 0}).contiguous();
    const ptrdiff_t plane = static_cast<ptrdiff_t>(height) * width;
    const data::Image images[] = {
        picture.image(),
        {column_major.data_ptr<uint8_t>(), height, width, plane, 1, height},
        {interleaved.data_ptr<uint8_t>(), height, width, 1, 3 * static_cast<ptrdiff_t>(width), 3},
    };
    std::vector<uint8_t> expected;
    for (int channel = 0; channel < 3; ++channel) {
      for (const auto& row : plainly_resized(picture, channel, box, flip, size)) {
        expected.insert(expected.end(), row.begin(), row.end());
      }
    }
    for (const auto& image : images) {
      Picture out(size, size);
      crop_resize(image, box, flip, workspace, out.planes());
      ASSERT_EQ(out.bytes, expected)
          << height << "x" << width << " box " << box.height << "x" << box.width << " to " << size;
    }
  }
}

std::array<uint8_t, 3> plain_hue(int r, int g, int b, int shift) {
  const int most = std::max({r, g, b}), least = std::min({r, g, b});
  if (most == least)
    return {static_cast<uint8_t>(most), static_cast<uint8_t>(most), static_cast<uint8_t>(most)};
  const float chroma = static_cast<float>(most - least);
  const float rc = static_cast<float>(most - r) / chroma,
              gc = static_cast<float>(most - g) / chroma,
              bc = static_cast<float>(most - b) / chroma;
  const float sixths =
      r == most ? bc - gc : static_cast<float>(g == most ? 2.0 + rc - bc : 4.0 + gc - rc);
  const float turns = static_cast<float>(std::fmod(sixths / 6.0 + 1.0, 1.0));
  const int hue = (static_cast<int>(turns * 255.0) + shift) & 255;
  const int saturation = static_cast<int>(chroma / static_cast<float>(most) * 255.0);

  const int sector = static_cast<int>(hue * 6.0 / 255.0);
  const float f = static_cast<float>(hue * 6.0 / 255.0 - sector),
              s = static_cast<float>(saturation / 255.0);
  const auto rounded = [most](double share) {
    return static_cast<uint8_t>(std::lround(most * share));
  };
  const uint8_t v = static_cast<uint8_t>(most), p = rounded(1.0 - s), q = rounded(1.0 - s * f),
                t = rounded(1.0 - s * (1.0 - f));
  const std::array<uint8_t, 3> cases[] = {{v, t, p}, {q, v, p}, {p, v, t},
                                          {p, q, v}, {t, p, v}, {v, p, q}};
  return cases[sector % 6];
}

TEST(Operations, HueOfAllColoursEqualsPlainArithmetic) {
  constexpr int kShift = 25;  // .1 turns, truncated
  Picture plane(256, 256);
  for (int r = 0; r < 256; ++r) {
    const Planes planes = plane.planes();
    for (int i = 0; i < 65536; ++i) {
      planes.red[i] = static_cast<uint8_t>(r);
      planes.green[i] = static_cast<uint8_t>(i >> 8);
      planes.blue[i] = static_cast<uint8_t>(i);
    }
    adjust_hue(planes, 0.1);
    int64_t wrong = 0;
    for (int i = 0; i < 65536; ++i) {
      const auto expected = plain_hue(r, i >> 8, i & 255, kShift);
      wrong += planes.red[i] != expected[0] || planes.green[i] != expected[1] ||
               planes.blue[i] != expected[2];
    }
    ASSERT_EQ(wrong, 0) << "red " << r;
  }
}

// --- Properties ---------------------------------------------------------------------------------

TEST(Operations, FactorOneChangesNothing) {
  auto random = test_random(2);
  for (const auto apply : {adjust_brightness, adjust_contrast, adjust_saturation}) {
    Picture image = random_picture(random, 33, 17);
    const auto before = image.bytes;
    apply(image.planes(), 1.0);
    EXPECT_EQ(image.bytes, before);
  }
}

TEST(Operations, FactorZeroLeavesTheBase) {
  auto random = test_random(3);
  Picture image = random_picture(random, 20, 20), gray = image;
  to_grayscale(gray.planes());
  Picture black = image, flat = image, faded = image;
  adjust_brightness(black.planes(), 0.0);
  EXPECT_EQ(black.bytes, std::vector<uint8_t>(black.bytes.size(), 0));
  adjust_saturation(faded.planes(), 0.0);
  EXPECT_EQ(faded.bytes, gray.bytes);
  adjust_contrast(flat.planes(), 0.0);
  const double mean = gray.tensor().to(torch::kFloat64).mean().item<double>();
  EXPECT_EQ(flat.bytes, std::vector<uint8_t>(flat.bytes.size(), static_cast<uint8_t>(mean + 0.5)));
}

TEST(Operations, LargeFactorsClip) {
  Picture image(1, 2);
  image.bytes = {200, 10, 200, 10, 200, 10};
  adjust_brightness(image.planes(), 1.8);
  EXPECT_EQ(image.bytes, (std::vector<uint8_t>{255, 18, 255, 18, 255, 18}));
}

TEST(Operations, FlipTwiceIsIdentity) {
  auto random = test_random(4);
  const Picture image = random_picture(random, 32, 32);
  const Picture once = resized(image.image(), {0, 0, 32, 32}, true, 32);
  EXPECT_NE(once.bytes, image.bytes);
  EXPECT_EQ(resized(once.image(), {0, 0, 32, 32}, true, 32).bytes, image.bytes);
}

TEST(Operations, WholeImageAtItsOwnSizeIsIdentity) {
  auto random = test_random(5);
  for (const int size : {32, 96, 9, 1}) {
    const Picture image = random_picture(random, size, size);
    EXPECT_EQ(resized(image.image(), {0, 0, size, size}, false, size).bytes, image.bytes);
  }
}

TEST(Operations, ConstantStaysConstant) {
  for (const int level : {0, 1, 128, 254, 255}) {
    Picture image(71, 43);
    std::fill(image.bytes.begin(), image.bytes.end(), static_cast<uint8_t>(level));
    Picture out = resized(image.image(), {3, 2, 66, 39}, false, 32);
    Workspace workspace;
    gaussian_blur(out.planes(), 1.3, workspace);
    adjust_contrast(out.planes(), 1.4);
    adjust_hue(out.planes(), 0.1);
    to_grayscale(out.planes());
    EXPECT_EQ(out.bytes, std::vector<uint8_t>(out.bytes.size(), static_cast<uint8_t>(level)));
  }
}

// 8-bit HSV is coarser than RGB: the way there and back moves a channel by a few levels even
// without a shift.
TEST(Operations, HueZeroIsNearlyIdentity) {
  auto random = test_random(6);
  Picture image = random_picture(random, 64, 64);
  const auto before = image.tensor();
  adjust_hue(image.planes(), 0.0);
  EXPECT_LE(max_difference(image.tensor(), before), 6);
}

TEST(Operations, HueByAThirdOfATurnMovesTheChannels) {
  Picture image(1, 1);
  image.bytes = {255, 0, 0};
  adjust_hue(image.planes(), 1.0 / 3.0);
  EXPECT_EQ(image.bytes, (std::vector<uint8_t>{0, 255, 0}));
  adjust_hue(image.planes(), -1.0 / 3.0);
  EXPECT_EQ(image.bytes, (std::vector<uint8_t>{255, 0, 0}));
}

TEST(Operations, TinySigmaIsIdentity) {
  auto random = test_random(7);
  Picture image = random_picture(random, 32, 32);
  const auto before = image.bytes;
  Workspace workspace;
  gaussian_blur(image.planes(), 0.1, workspace);
  EXPECT_EQ(image.bytes, before);
}

// The definition, on shapes with and without an inside: mirrored borders that do not repeat the
// edge.
TEST(Operations, BlurEqualsItsDefinition) {
  auto random = test_random(8);
  const auto mirrored = [](int i, int n) {
    return n == 1 ? 0 : i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
  };
  for (const auto& [height, width] :
       {std::pair{32, 32}, {1, 1}, {1, 7}, {7, 1}, {2, 2}, {3, 40}, {17, 31}}) {
    Picture image = random_picture(random, height, width);
    const Picture before = image;
    Workspace workspace;
    gaussian_blur(image.planes(), 0.8, workspace);
    const double e = std::exp(-0.5 / 0.64);
    const int side = static_cast<int>(std::lround(256 * e / (1 + 2 * e)));
    const int weights[] = {side, 256 - 2 * side, side};
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          int sum = 0x8000;
          for (int i = -1; i <= 1; ++i) {
            for (int j = -1; j <= 1; ++j) {
              const int place =
                  (c * height + mirrored(y + i, height)) * width + mirrored(x + j, width);
              sum += weights[i + 1] * weights[j + 1] * before.bytes[static_cast<size_t>(place)];
            }
          }
          ASSERT_EQ(image.bytes[static_cast<size_t>((c * height + y) * width + x)], sum >> 16)
              << height << "x" << width << " at " << y << ", " << x;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ipirm::augment

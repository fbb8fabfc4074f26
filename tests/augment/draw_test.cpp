// Tests of the draws: their distribution, their limits, and that they depend on the key alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "ipirm/augment/recipe.h"
#include "support/golden.h"

namespace ipirm::augment {
namespace {

using core::KeyedRandom;
using core::Purpose;

ViewDraw draw(uint64_t sample, const AugmentOptions& options = {}, int height = 96, int width = 96,
              uint32_t view = 0) {
  KeyedRandom random(1234, Purpose::kTrainView, 3, sample, view);
  return draw_view(random, options, height, width);
}

auto crop_of(const ViewDraw& d) { return std::array{d.top, d.left, d.height, d.width}; }
auto rest_of(const ViewDraw& d) {
  return std::tuple(d.flip, d.jitter, d.order, d.brightness, d.contrast, d.saturation, d.hue,
                    d.grayscale, d.blur, d.sigma);
}

TEST(Draw, IsAFunctionOfTheKey) {
  EXPECT_EQ(rest_of(draw(5)), rest_of(draw(5)));
  EXPECT_EQ(crop_of(draw(5)), crop_of(draw(5)));
  EXPECT_NE(rest_of(draw(5)), rest_of(draw(6)));
  EXPECT_NE(rest_of(draw(5)), rest_of(draw(5, {}, 96, 96, 1)));
}

TEST(Draw, OneSettingDoesNotMoveTheOthersDraws) {
  for (uint64_t i = 0; i < 200; ++i) {
    AugmentOptions narrow;
    narrow.crop_scale_min = 0.9;  // more tries
    EXPECT_EQ(rest_of(draw(i, narrow)), rest_of(draw(i)));
    EXPECT_EQ(rest_of(draw(i, {}, 30, 200)), rest_of(draw(i)));
    AugmentOptions off;
    off.hflip = off.jitter_probability = off.grayscale = off.blur = 0;
    EXPECT_EQ(crop_of(draw(i, off)), crop_of(draw(i)));
    EXPECT_EQ(draw(i, off).sigma, draw(i).sigma);
  }
}

TEST(Draw, ProbabilitiesZeroAndOne) {
  AugmentOptions never, always;
  never.hflip = never.jitter_probability = never.grayscale = never.blur = 0;
  always.hflip = always.jitter_probability = always.grayscale = always.blur = 1;
  for (uint64_t i = 0; i < 500; ++i) {
    const ViewDraw a = draw(i, never), b = draw(i, always);
    EXPECT_FALSE(a.flip || a.jitter || a.grayscale || a.blur);
    EXPECT_TRUE(b.flip && b.jitter && b.grayscale && b.blur);
  }
}

TEST(Draw, ProbabilitiesOfTheDefaults) {
  constexpr int kDraws = 20000;
  constexpr double kMargin = 0.015;  // over four standard deviations
  std::array<int, 4> count{};
  std::map<std::array<int, 4>, int> orders;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const ViewDraw d = draw(i);
    count[0] += d.flip, count[1] += d.jitter, count[2] += d.grayscale, count[3] += d.blur;
    ++orders[d.order];
  }
  const double expected[] = {0.5, 0.8, 0.2, 0.5};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(count[i] / double{kDraws}, expected[i], kMargin);
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& [order, number] : orders) EXPECT_NEAR(number / double{kDraws}, 1 / 24.0, 0.006);
}

TEST(Draw, FactorsFillTheirRanges) {
  for (const double strength : {1.0, 2.0, 0.5}) {
    AugmentOptions options;
    options.jitter = strength;
    ViewDraw low = draw(0, options), high = low;
    for (uint64_t i = 1; i < 5000; ++i) {
      const ViewDraw d = draw(i, options);
      for (double ViewDraw::*field : {&ViewDraw::brightness, &ViewDraw::contrast,
                                      &ViewDraw::saturation, &ViewDraw::hue, &ViewDraw::sigma}) {
        low.*field = std::min(low.*field, d.*field);
        high.*field = std::max(high.*field, d.*field);
      }
    }
    for (double ViewDraw::*field :
         {&ViewDraw::brightness, &ViewDraw::contrast, &ViewDraw::saturation}) {
      EXPECT_GE(low.*field, 1 - 0.4 * strength);
      EXPECT_LE(low.*field, 1 - 0.39 * strength);
      EXPECT_LE(high.*field, 1 + 0.4 * strength);
      EXPECT_GE(high.*field, 1 + 0.39 * strength);
    }
    EXPECT_GE(low.hue, -0.1 * strength);
    EXPECT_LE(low.hue, -0.099 * strength);
    EXPECT_LE(high.hue, 0.1 * strength);
    EXPECT_GE(high.hue, 0.099 * strength);
    EXPECT_GE(low.sigma, 0.1);
    EXPECT_LE(low.sigma, 0.11);
    EXPECT_LE(high.sigma, 2.0);
    EXPECT_GE(high.sigma, 1.99);
  }
}

TEST(Draw, NoStrengthNoJitter) {
  AugmentOptions options;
  options.jitter = 0;
  options.jitter_probability = 1;
  for (uint64_t i = 0; i < 100; ++i) EXPECT_FALSE(draw(i, options).jitter);
}

TEST(Draw, CropDistributionEqualsGolden) {
  constexpr double kTolerance = 0.03;  // golden README
  const int size =
      static_cast<int>(testing::golden_scalar("augment_crop_distribution", "image_size"));
  constexpr int kDraws = 100000;
  std::array<std::vector<double>, 4> values;  // top, left, height, width
  for (uint64_t i = 0; i < kDraws; ++i) {
    const auto crop = crop_of(draw(i, {}, size, size));
    for (size_t j = 0; j < 4; ++j) values[j].push_back(crop[j]);
  }
  const auto mean = testing::golden("augment_crop_distribution", "mean");
  for (size_t j = 0; j < 4; ++j) {
    double sum = 0;
    for (const double value : values[j]) sum += value;
    const double expected = mean[static_cast<int64_t>(j)].item<double>();
    EXPECT_NEAR(sum / kDraws, expected, kTolerance * expected) << "mean of " << j;
    std::sort(values[j].begin(), values[j].end());
  }
  const auto quantiles = testing::golden("augment_crop_distribution", "quantiles");
  const auto height_width = testing::golden("augment_crop_distribution", "height_width");
  for (int64_t q = 0; q < quantiles.size(0); ++q) {
    for (int64_t j = 0; j < 2; ++j) {
      const double expected = height_width[q][j].item<double>();
      const double found = values[static_cast<size_t>(2 + j)]
                                 [static_cast<size_t>(quantiles[q].item<double>() * kDraws)];
      EXPECT_NEAR(found, expected, kTolerance * expected) << "quantile " << q;
    }
  }
}

TEST(Draw, CropsLieInsideAndCoverTheShareAskedFor) {
  AugmentOptions options;
  for (const double least : {0.08, 0.4, 0.9, 1.0}) {
    options.crop_scale_min = least;
    for (const auto& [height, width] : {std::pair{96, 96}, {32, 32}, {70, 90}}) {
      double smallest = 1;
      for (uint64_t i = 0; i < 2000; ++i) {
        const ViewDraw d = draw(i, options, height, width);
        ASSERT_GE(d.top, 0);
        ASSERT_GE(d.left, 0);
        ASSERT_GE(d.height, 1);
        ASSERT_GE(d.width, 1);
        ASSERT_LE(d.top + d.height, height);
        ASSERT_LE(d.left + d.width, width);
        // half a pixel of rounding on either side
        ASSERT_GE((d.height + 0.5) * (d.width + 0.5), least * height * width * (1 - 1e-9));
        const double ratio = (d.width + 0.5) / (d.height - 0.5),
                     inverse = (d.height + 0.5) / (d.width - 0.5);
        ASSERT_GE(ratio, 0.75);
        ASSERT_GE(inverse, 0.75);
        smallest = std::min(smallest, static_cast<double>(d.height * d.width) / (height * width));
      }
      EXPECT_LE(smallest, least + 0.05);
    }
  }
}

TEST(Draw, PlacesReachBothEnds) {
  std::array<bool, 4> touched{};
  for (uint64_t i = 0; i < 2000; ++i) {
    const ViewDraw d = draw(i);
    if (d.height < 90 && d.width < 90) {
      touched[0] |= d.top == 0, touched[1] |= d.left == 0;
      touched[2] |= d.top + d.height == 96, touched[3] |= d.left + d.width == 96;
    }
  }
  EXPECT_EQ(touched, (std::array{true, true, true, true}));
}

// No box of the wanted area fits an image this long: the centre is taken, at the nearest allowed
// ratio.
TEST(Draw, LongImagesFallBackToTheCentre) {
  AugmentOptions options;
  options.crop_scale_min = 0.9;
  EXPECT_EQ(crop_of(draw(1, options, 30, 300)), (std::array{0, 130, 30, 40}));
  EXPECT_EQ(crop_of(draw(1, options, 300, 30)), (std::array{130, 0, 40, 30}));
}

TEST(Draw, TinyImages) {
  for (uint64_t i = 0; i < 200; ++i) {
    EXPECT_EQ(crop_of(draw(i, {}, 1, 1)), (std::array{0, 0, 1, 1}));
    const ViewDraw d = draw(i, {}, 1, 9);
    EXPECT_EQ(d.height, 1);
    EXPECT_LE(d.left + d.width, 9);
  }
}

}  // namespace
}  // namespace ipirm::augment

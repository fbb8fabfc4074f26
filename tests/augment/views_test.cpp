// Views in 8 bits, normalised or augmented after the loader, are the same views in every bit.
#include "ipirm/augment/views.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <numeric>

#include "eval/toy_set.h"
#include "eval/whole_images.h"
#include "ipirm/core/error.h"

namespace ipirm::augment {
namespace {

constexpr DrawKey kKey = {5, core::Purpose::kTrainView, 3};

AugmentOptions options_of(Recipe recipe, int crop_size) {
  AugmentOptions options;
  options.recipe = recipe;
  options.crop_size = crop_size;
  return options;
}

// Two views of each sample of the set.
data::Batch load(const Views& views, const data::ImageSet& set, data::Pixels pixels,
                 bool channels_last) {
  std::vector<int64_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), 0);
  data::LoaderOptions options;
  options.pixels = pixels;
  options.channels_last = channels_last;
  data::Loader loader(order, set.size(), /*drop_last=*/false, /*num_views=*/2, views.shape,
                      views.make, options);
  return loader.next().value();
}

void expect_bytes_become_floats(const Views& views, const data::ImageSet& set) {
  for (const bool channels_last : {false, true}) {
    const auto floats = load(views, set, data::Pixels::kFloat, channels_last);
    const auto bytes = load(views, set, data::Pixels::kByte, channels_last);
    EXPECT_TRUE(floats.numbers.empty());
    for (size_t view = 0; view < 2; ++view) {
      ASSERT_EQ(bytes.views[view].scalar_type(), torch::kUInt8);
      const auto after = normalised(bytes.views[view]);
      EXPECT_TRUE(torch::equal(after, floats.views[view]));
      EXPECT_EQ(after.strides(), floats.views[view].strides());
      EXPECT_TRUE(normalised(floats.views[view]).is_same(floats.views[view]));
    }
  }
}

TEST(ByteViews, NormalisedAfterwardsEqualFloatViews) {
  const test::ToySet set(12, 1);
  expect_bytes_become_floats(augmented_views(set, options_of(Recipe::kSimclr, 12), kKey), set);
  expect_bytes_become_floats(augmented_views(set, options_of(Recipe::kNone, 12), kKey), set);
  const test::WholeImages differing(7);
  expect_bytes_become_floats(whole_views(differing, 10), differing);
}

// All 256 values of each channel, of which the toy images have only some.
TEST(ByteViews, EveryValueIsNormalisedAlike) {
  const auto values = torch::arange(256, torch::kUInt8).expand({3, 256}).contiguous();
  auto floats = torch::empty({1, 3, 16, 16});
  make_plain_view({values.data_ptr<uint8_t>(), 16, 16, 256, 16, 1},
                  {floats.data_ptr<float>(), 256, 1});
  EXPECT_TRUE(torch::equal(normalised(values.view({1, 3, 16, 16})), floats));
}

TEST(DrawnViews, MadeAfterwardsEqualAugmentedViews) {
  const test::ToySet set(12, 1);
  const auto options = options_of(Recipe::kSimclr, 12);
  const auto expected = load(augmented_views(set, options, kKey), set, data::Pixels::kFloat, false);
  const auto drawn = load(drawn_views(set, options, kKey), set, data::Pixels::kByte, false);
  ASSERT_EQ(drawn.numbers.size(), 2u);
  for (size_t view = 0; view < 2; ++view) {
    ASSERT_EQ(drawn.views[view].sizes(), (torch::IntArrayRef{12, 3, 16, 16}));
    ASSERT_EQ(drawn.numbers[view].sizes(), (torch::IntArrayRef{12, kDrawNumbers}));
    for (int64_t i = 0; i < set.size(); ++i) {
      const auto image = drawn.views[view][i];
      auto view_made = torch::empty({3, 12, 12});
      make_view({image.data_ptr<uint8_t>(), 16, 16, 256, 16, 1},
                read_draw(drawn.numbers[view][i].data_ptr<double>()), 12,
                {view_made.data_ptr<float>(), 144, 1});
      EXPECT_TRUE(torch::equal(view_made, expected.views[view][i])) << "sample " << i;
    }
  }
}

TEST(DrawnViews, ADrawComesBackWhole) {
  ViewDraw draw;
  draw.top = -3, draw.left = 1, draw.height = 7, draw.width = 9;
  draw.flip = true, draw.grayscale = true;
  draw.order = {2, 0, 3, 1};
  draw.brightness = .7, draw.contrast = 1.3, draw.saturation = .9, draw.hue = -.08;
  draw.sigma = 1.9;
  double numbers[kDrawNumbers], again[kDrawNumbers];
  write_draw(draw, numbers);
  const ViewDraw back = read_draw(numbers);
  EXPECT_EQ(back.top, -3);
  EXPECT_EQ(back.width, 9);
  EXPECT_EQ(back.order, draw.order);
  EXPECT_EQ(back.hue, -.08);
  EXPECT_TRUE(back.flip && back.grayscale && !back.jitter && !back.blur);
  write_draw(back, again);
  EXPECT_TRUE(std::equal(numbers, numbers + kDrawNumbers, again));
}

TEST(DrawnViews, NeedBytesAndOneSize) {
  const auto options = options_of(Recipe::kSimclr, 12);
  const test::ToySet set(3, 1);
  EXPECT_THROW(load(drawn_views(set, options, kKey), set, data::Pixels::kFloat, false), c10::Error);
  const test::WholeImages differing(7);
  EXPECT_THROW(load(drawn_views(differing, options, kKey), differing, data::Pixels::kByte, false),
               core::UserError);
}

}  // namespace
}  // namespace ipirm::augment

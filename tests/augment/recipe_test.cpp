// Tests of whole views: the golden chain, the output's layouts, the test view.
#include "ipirm/augment/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "augment/pictures.h"
#include "support/golden.h"

namespace ipirm::augment {
namespace {

using testing::golden;

// Columns of golden/augment_chain:
// top,left,height,width,flip,jitter,order0..3,brightness,contrast,saturation,hue,
// grayscale,blur,sigma.
ViewDraw draw_of(const torch::Tensor& row) {
  const auto values = row.accessor<double, 1>();
  const auto whole = [&](int64_t column) { return static_cast<int>(values[column]); };
  ViewDraw draw;
  draw.top = whole(0), draw.left = whole(1), draw.height = whole(2), draw.width = whole(3);
  draw.flip = whole(4), draw.jitter = whole(5);
  draw.order = {whole(6), whole(7), whole(8), whole(9)};
  draw.brightness = values[10], draw.contrast = values[11], draw.saturation = values[12],
  draw.hue = values[13];
  draw.grayscale = whole(14), draw.blur = whole(15), draw.sigma = values[16];
  return draw;
}

torch::Tensor planar_view(const data::Image& image, const ViewDraw& draw, int size) {
  auto out = torch::full({3, size, size}, -1e9f);
  make_view(image, draw, size, {out.data_ptr<float>(), static_cast<ptrdiff_t>(size) * size, 1});
  return out;
}

// Stricter than the golden README asks: every one of the 12 x 3072 values is equal.
TEST(Recipe, ChainEqualsGolden) {
  const Picture image = picture_of(golden("augment_chain", "image"));
  const auto params = golden("augment_chain", "params");
  const auto expected = golden("augment_chain", "out");
  ASSERT_GT(params.size(0), 0);
  for (int64_t i = 0; i < params.size(0); ++i) {
    const auto found = planar_view(image.image(), draw_of(params[i]), 32);
    EXPECT_TRUE(torch::equal(found, expected[i]))
        << "view " << i << ": " << (found != expected[i]).sum().item<int64_t>()
        << " values differ, by up to " << (found - expected[i]).abs().max().item<float>();
  }
}

TEST(Recipe, StepsComeInTheDrawnOrder) {
  const Picture image = picture_of(golden("augment_chain", "image"));
  ViewDraw draw = draw_of(golden("augment_chain", "params")[0]);
  draw.jitter = true;
  draw.brightness = 1.4, draw.contrast = 0.6, draw.saturation = 1.4, draw.hue = 0.1;
  draw.order = {0, 1, 2, 3};
  const auto one = planar_view(image.image(), draw, 32);
  draw.order = {3, 2, 1, 0};
  EXPECT_FALSE(torch::equal(one, planar_view(image.image(), draw, 32)));
}

TEST(Recipe, ChannelsLastEqualsPlanar) {
  auto random = test_random(30);
  AugmentOptions options;
  for (const int size : {32, 9}) {
    const Picture image = random_picture(random, 50, 41);
    const ViewDraw draw = draw_view(random, options, 50, 41);
    auto last = torch::full({size, size, 3}, -1e9f);
    make_view(image.image(), draw, size, {last.data_ptr<float>(), 1, 3});
    EXPECT_TRUE(torch::equal(last.permute({2, 0, 1}), planar_view(image.image(), draw, size)));
  }
}

TEST(Recipe, WritesNothingBeyondTheView) {
  auto random = test_random(31);
  const Picture image = random_picture(random, 40, 40);
  const AugmentOptions options;
  std::vector<float> out(3 * 32 * 32 + 2, -1e9f);
  make_view(image.image(), draw_view(random, options, 40, 40), 32, {out.data() + 1, 1024, 1});
  EXPECT_EQ(out.front(), -1e9f);
  EXPECT_EQ(out.back(), -1e9f);
  EXPECT_EQ(std::count(out.begin(), out.end(), -1e9f), 2);
}

TEST(Recipe, AnyImageSizeMakesAView) {
  auto random = test_random(32);
  const AugmentOptions options;
  for (const auto& [height, width] :
       {std::pair{1, 1}, {1, 50}, {50, 1}, {2, 3}, {700, 5}, {600, 600}}) {
    const Picture image = random_picture(random, height, width);
    for (int i = 0; i < 20; ++i) {
      const auto view = planar_view(image.image(), draw_view(random, options, height, width), 32);
      // (0 - mean) / std .. (1 - mean) / std of the widest channel
      EXPECT_GE(view.min().item<float>(), -2.5f);
      EXPECT_LE(view.max().item<float>(), 2.8f);
    }
  }
}

TEST(Recipe, ViewIsAFunctionOfImageAndDraw) {
  auto random = test_random(33);
  const Picture image = random_picture(random, 96, 96), other = random_picture(random, 33, 70);
  const ViewDraw draw = draw_view(random, AugmentOptions(), 96, 96);
  const auto first = planar_view(image.image(), draw, 32);
  planar_view(other.image(), draw_view(random, AugmentOptions(), 33, 70), 64);
  EXPECT_TRUE(torch::equal(planar_view(image.image(), draw, 32), first));
}

TEST(Recipe, BeyondTheImageIsBlack) {
  Picture image(4, 4);
  std::fill(image.bytes.begin(), image.bytes.end(), uint8_t{255});
  ViewDraw draw;
  draw.top = -4, draw.left = 2, draw.height = draw.width = 8;
  const auto bright = planar_view(image.image(), draw, 8)[0] > 0;
  auto expected = torch::zeros({8, 8}, torch::kBool);
  expected.narrow(0, 4, 4).narrow(1, 0, 2).fill_(true);
  EXPECT_TRUE(torch::equal(bright, expected));
}

TEST(Recipe, EmptyCropIsRefused) {
  const Picture image(20, 20);
  ViewDraw draw;
  draw.height = 0, draw.width = 20;
  EXPECT_ANY_THROW(planar_view(image.image(), draw, 32));
}

// (v / 255 - mean) / std, the arithmetic of ToTensor and Normalize in float32, in every layout of
// in- and output.
TEST(Recipe, PlainViewIsTheFormula) {
  auto random = test_random(34);
  const Picture picture = random_picture(random, 21, 34);
  const auto interleaved = picture.tensor();
  const auto mean = torch::tensor({0.4914f, 0.4822f, 0.4465f}),
             std = torch::tensor({0.2023f, 0.1994f, 0.2010f});
  // (H, W, 3)
  const auto expected = interleaved.to(torch::kFloat32).div(255.0f).sub(mean).div(std);
  const auto column_major = interleaved.permute({2, 1, 0}).contiguous();
  const data::Image images[] = {picture.image(),
                                {column_major.data_ptr<uint8_t>(), 21, 34, 21 * 34, 1, 21},
                                {interleaved.data_ptr<uint8_t>(), 21, 34, 1, 3 * 34, 3}};
  for (const auto& image : images) {
    auto planar = torch::full({3, 21, 34}, -1e9f), last = torch::full({21, 34, 3}, -1e9f);
    make_plain_view(image, {planar.data_ptr<float>(), 21 * 34, 1});
    make_plain_view(image, {last.data_ptr<float>(), 1, 3});
    EXPECT_TRUE(torch::equal(planar.permute({1, 2, 0}), expected));
    EXPECT_TRUE(torch::equal(last, expected));
  }
}

// 224 of 256: three bands of a wide picture, of which the middle square is kept.
TEST(Recipe, TestViewIsTheMiddleOfEightSevenths) {
  Picture wide(100, 300);
  for (size_t i = 0; i < wide.bytes.size(); ++i) wide.bytes[i] = i % 300 / 100 == 1 ? 200 : 0;
  for (const int size : {224, 64, 32}) {
    auto view = torch::full({3, size, size}, -1e9f);
    make_test_view(wide.image(), size, {view.data_ptr<float>(), size * size, 1});
    auto whole = torch::full({3, 1, 1}, 0.0f);
    const uint8_t value[] = {200, 200, 200};
    make_plain_view({value, 1, 1, 1, 3, 3}, {whole.data_ptr<float>(), 1, 1});
    EXPECT_TRUE(torch::equal(view, whole.expand_as(view))) << size;
  }
  // Of 256 pixels 16 stay outside at each side.
  Picture square(256, 256);
  for (size_t i = 0; i < square.bytes.size(); ++i) {
    const size_t x = i % 256, y = i / 256 % 256;
    square.bytes[i] = x < 16 || x >= 240 || y < 16 || y >= 240 ? 255 : 10;
  }
  auto view = torch::full({3, 224, 224}, -1e9f);
  make_test_view(square.image(), 224, {view.data_ptr<float>(), 224 * 224, 1});
  EXPECT_TRUE(torch::equal(view.amax({1, 2}), view.amin({1, 2})));
  EXPECT_LT(view.max().item<float>(), 0);
}

}  // namespace
}  // namespace ipirm::augment

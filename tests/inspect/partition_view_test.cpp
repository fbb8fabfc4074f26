// The images that a sheet shows, in which order, how environments meet a factor, and that a sheet
// shows the images' own pixels.
#include "ipirm/inspect/partition_view.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/toy_set.h"

namespace ipirm::inspect {
namespace {

constexpr double kRounding = 1e-12;

std::vector<int64_t> indices(const std::vector<Placed>& images) {
  std::vector<int64_t> result;
  for (const auto& placed : images) result.push_back(placed.index);
  return result;
}

// Seven images: 0 to 4 are of environment 0, ever surer but for 3 and 4, which are equal.
torch::Tensor logits() {
  return torch::tensor({{.1, 0.}, {.2, 0.}, {.3, 0.}, {2., 0.}, {2., 0.}, {0., 5.}, {0., 1.}},
                       torch::kFloat64);
}

TEST(ChooseImages, ShowsAllFromTheMostCertainToTheLeast) {
  const auto chosen = choose_images(logits(), 10);
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0].size, 5);
  EXPECT_EQ(indices(chosen[0].most), (std::vector<int64_t>{3, 4, 2, 1, 0}));
  EXPECT_TRUE(chosen[0].least.empty());
  EXPECT_EQ(indices(chosen[1].most), (std::vector<int64_t>{5, 6}));
  EXPECT_NEAR(chosen[0].most[0].certainty, 1 / (1 + std::exp(-2.)), kRounding);
}

TEST(ChooseImages, TakesBothEndsWhereThereAreMore) {
  const auto chosen = choose_images(logits(), 3);
  EXPECT_EQ(indices(chosen[0].most), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(indices(chosen[0].least), (std::vector<int64_t>{0}));
  EXPECT_EQ(chosen[0].size, 5);
}

TEST(ChooseImages, KnowsAnEnvironmentWithoutImages) {
  const auto chosen = choose_images(torch::tensor({{1., 0., 0.}, {0., 0., 1.}}), 4);
  ASSERT_EQ(chosen.size(), 3U);
  EXPECT_EQ(chosen[1].size, 0);
  EXPECT_TRUE(chosen[1].most.empty());
}

TEST(FactorTable, CountsWhoMeetsWhom) {
  const data::Factor factor{"colour", 3, {0, 0, 1, 1, -1, 2}};
  const auto table = factor_table(torch::tensor({0, 0, 1, 1, 1, 0}, torch::kInt64), 2, factor);
  EXPECT_EQ(table.counts, (std::vector<std::vector<int64_t>>{{2, 0, 1}, {0, 2, 0}}));
  EXPECT_EQ(table.unknown, 1);
  // Who knows the value knows the environment: the information is the environments' entropy.
  EXPECT_NEAR(table.share.information, -.6 * std::log(.6) - .4 * std::log(.4), kRounding);
}

TEST(Caption, NamesTheClassAndEachFactor) {
  test::ToySet set(6, 1);
  set.factors_[0].value_names = {"red", "green", "blue"};
  set.factors_[1].values[4] = -1;
  EXPECT_EQ(caption(set, 5), "blue, light 1");
  EXPECT_EQ(caption(set, 4), "green, light ?");
}

TEST(ContactSheet, ShowsTheImagesOwnColours) {
  const test::ToySet set(9, 1, 16);  // shown as 64x64: every pixel is 4x4
  const auto chosen = choose_images(torch::arange(9).to(torch::kFloat64).unsqueeze(1), 20);
  const auto sheet = contact_sheet(set, chosen[0]);
  std::vector<uint8_t> scratch;
  const auto first = set.image(chosen[0].most[0].index, scratch);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const uint8_t* pixel = first.pixels + y / 4 * first.row_stride + x / 4 * first.column_stride;
      ASSERT_EQ(sheet.at(6 + x, 6 + y), (Colour{pixel[0], pixel[1], pixel[2]})) << y << "," << x;
    }
  }
  // Nine images need a second row, of which the ninth is the first.
  const auto ninth = set.image(chosen[0].most[8].index, scratch);
  EXPECT_EQ(sheet.at(6, 6 + 64 + 2 * 14 + 6),
            (Colour{ninth.pixels[0], ninth.pixels[1], ninth.pixels[2]}));
}

}  // namespace
}  // namespace ipirm::inspect

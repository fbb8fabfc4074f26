// Colours of MNIST and FashionMNIST: balanced in each class, seen as the factor says, frozen; and
// the correlated form with the shares it promises.
#include "data/tints.h"

#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "data/expectations.h"
#include "data/grey_sets.h"
#include "data/write_idx.h"

namespace ipirm::data {
namespace {

using namespace test_sets;

constexpr int64_t kTrainImages = 230, kTestImages = 87;

class Tints : public ::testing::Test {
 protected:
  void SetUp() override { write_grey(folder_.path(), "MNIST", kTrainImages, kTestImages, true); }

  DataSets open(int colours, int noise, bool correlation = false) const {
    DataOptions options{.dataset = DataSetKind::kMnist, .root = folder_.path().string()};
    options.colours = colours;
    options.colour_noise = noise;
    options.colour_correlation = correlation;
    return open_data_sets(options);
  }

  TempFolder folder_;
};

int64_t value(const ImageSet& set, size_t factor, int64_t i) {
  return set.factors()[factor].values[static_cast<size_t>(i)];
}

TEST(HueColours, SixCornersOfTheCircleAndColoredDigitsTen) {
  const Rgb corners[] = {{255, 0, 0},   {255, 255, 0}, {0, 255, 0},
                         {0, 255, 255}, {0, 0, 255},   {255, 0, 255}};
  for (int h = 0; h < 6; ++h) EXPECT_EQ(hue_colour(h, 6), corners[h]);
  EXPECT_EQ(hue_colour(1, 10), (Rgb{255, 153, 0}));
  EXPECT_EQ(hue_colour(2, 10), (Rgb{204, 255, 0}));
  EXPECT_EQ(hue_colour(9, 10), (Rgb{255, 0, 153}));
}

TEST_F(Tints, EachClassHasAsManyImagesOfEachColour) {
  for (const int colours : {2, 3, 10}) {
    const DataSets sets = open(colours, 0);
    std::map<int64_t, std::set<int64_t>> order;  // of the first images of each class
    for (const auto* set : {sets.train.get(), sets.test.get()}) {
      ASSERT_EQ(set->factors().size(), 2u);
      EXPECT_EQ(set->factors()[1].name, "colour");
      EXPECT_EQ(set->factors()[1].num_values, colours);
      std::vector<std::vector<int>> table(10, std::vector<int>(static_cast<size_t>(colours), 0));
      for (int64_t i = 0; i < set->size(); ++i) {
        ++table[static_cast<size_t>(set->label(i))][static_cast<size_t>(value(*set, 1, i))];
        if (i < 20) order[set->label(i)].insert(value(*set, 1, i));
      }
      for (const auto& row : table) {
        const auto [least, most] = std::minmax_element(row.begin(), row.end());
        EXPECT_LE(*most - *least, 1);
        EXPECT_EQ(std::accumulate(row.begin(), row.end(), 0) / colours, *least);
      }
    }
    // Were the colours dealt without a permutation, a class's first image would have colour 0.
    int64_t other = 0;
    for (int64_t i = 0; i < 10; ++i) other += value(*sets.train, 1, i) != 0;
    EXPECT_GE(other, 2);
  }
}

TEST_F(Tints, TwoColoursAreTheImageInRedOrInGreen) {
  const DataSets sets = open(2, 0);
  for (int64_t i = 0; i < sets.test->size(); ++i) {
    const auto colour = static_cast<int>(value(*sets.test, 1, i));
    const auto expected = [&](int c, int y, int x) {
      const bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
      return c == colour && inside ? grey_pixel(kTest + i, y - 2, x - 2) : 0;
    };
    EXPECT_EQ(num_wrong(*sets.test, i, 32, expected), 0) << "image " << i;
  }
}

TEST_F(Tints, NoiseLiesUnderTheColourAndIsTheImagesOwn) {
  const DataSets plain = open(10, 0), noisy = open(10, 80);
  std::vector<uint8_t> a, b;
  std::set<std::vector<uint8_t>> corners;
  double sum = 0, count = 0;
  int most = 0;
  for (int64_t i = 0; i < plain.train->size(); ++i) {
    ASSERT_EQ(value(*plain.train, 1, i), value(*noisy.train, 1, i));
    const Image clean = plain.train->image(i, a), image = noisy.train->image(i, b);
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) {
          const int below = value_at(clean, c, y, x), noise = value_at(image, c, y, x) - below;
          if (below > 255 - 80) continue;  // where 255 may have cut it off
          ASSERT_GE(noise, 0);
          most = std::max(most, noise);
          sum += noise, ++count;
        }
      }
    }
    corners.insert({image.pixels, image.pixels + 16});  // of the black margin: noise alone
  }
  EXPECT_EQ(most, 80);
  EXPECT_NEAR(sum / count, 40, .3);  // eight standard errors
  EXPECT_EQ(corners.size(), static_cast<size_t>(kTrainImages));
}

uint64_t hash_of(const DataSets& sets) {
  uint64_t hash = 0xCBF29CE484222325u;
  const auto add = [&](uint64_t number) { hash = (hash ^ number) * 0x100000001B3u; };
  std::vector<uint8_t> scratch;
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    for (const auto& factor : set->factors()) {
      for (const int64_t v : factor.values) add(static_cast<uint64_t>(v));
    }
    for (int64_t i = 0; i < set->size(); ++i) {
      const Image image = set->image(i, scratch);
      for (int64_t p = 0; p < 3 * 32 * 32; ++p) add(image.pixels[p]);
    }
  }
  return hash;
}

// A new value here is a new data set: runs on it can no longer be compared with those before.
TEST_F(Tints, EveryPixelIsFrozen) {
  EXPECT_EQ(hash_of(open(2, 0)), 12920133253758436500u);
  EXPECT_EQ(hash_of(open(10, 80)), 4049171637162623923u);
  EXPECT_EQ(hash_of(open(0, 20, true)), 3245458374878455857u);
}

TEST_F(Tints, TheCorrelatedFormSharesOutAllImages) {
  const DataSets sets = open(0, 0, true);
  EXPECT_EQ(sets.train->size() + sets.test->size(), kTrainImages + kTestImages);
  EXPECT_EQ(sets.test->size(), (kTrainImages + kTestImages) / 3);
  std::set<std::vector<int64_t>> seen;
  std::vector<uint8_t> scratch;
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    ASSERT_EQ(set->factors().size(), 4u);
    for (size_t f = 0; f < 4; ++f) {
      EXPECT_EQ(set->factors()[f].name, (std::array{"label", "colour", "class", "environment"}[f]));
      EXPECT_EQ(set->factors()[f].num_values, (std::array{2, 2, 10, 3}[f]));
    }
    for (int64_t i = 0; i < set->size(); ++i) {
      const bool test = set == sets.test.get();
      EXPECT_EQ(value(*set, 3, i), test ? 2 : i % 2);
      const Image image = set->image(i, scratch);
      std::vector<int64_t> total(3, 0);
      for (int64_t p = 0; p < 3 * 32 * 32; ++p)
        total[static_cast<size_t>(p / 1024)] += image.pixels[p];
      const auto colour = static_cast<size_t>(value(*set, 1, i));
      EXPECT_GT(total[colour], 0);
      EXPECT_EQ(total[1 - colour] + total[2], 0);
      seen.insert({value(*set, 2, i), total[colour]});
    }
  }
  EXPECT_GT(seen.size(), 230u);  // different images, although some have the same sum of pixels
}

// Of 70,000 images the shares are known within .004: four standard errors of the smallest part.
TEST(CorrelatedSamples, FlipsHaveTheirShares) {
  std::vector<int64_t> classes(70000);
  for (size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<int64_t>(i * 7 % 10);
  const auto samples = correlated_samples(classes);
  ASSERT_EQ(samples.size(), classes.size());
  std::array<double, 3> count = {}, label_flips = {}, colour_flips = {};
  std::set<int64_t> images;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& s = samples[i];
    ASSERT_EQ(s.environment, static_cast<int64_t>(i % 3));
    const auto e = static_cast<size_t>(s.environment);
    ++count[e];
    label_flips[e] += s.label != (classes[static_cast<size_t>(s.image)] < 5);
    colour_flips[e] += s.colour != s.label;
    images.insert(s.image);
  }
  EXPECT_EQ(images.size(), classes.size());
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_NEAR(label_flips[e] / count[e], .25, .0115);
    EXPECT_NEAR(colour_flips[e] / count[e], (std::array{.1, .2, .9}[e]), .0105);
  }
}

TEST(CorrelatedSamples, ThreeImagesAreTheFewest) {
  const TempFolder folder;
  write_grey(folder.path(), "MNIST", 1, 1, false);
  DataOptions options{.dataset = DataSetKind::kMnist, .root = folder.path().string()};
  options.colour_correlation = true;
  expect_user_error([&] { open_data_sets(options); }, {"hold 2 images", "at least 3"});
}

}  // namespace
}  // namespace ipirm::data

// ColoredDigits holds the shipped file's digits, never changes, and colour tells no digit.
#include "data/colored_digits.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "data/digits_8x8.h"
#include "data/expectations.h"

namespace ipirm::data {
namespace {

DataSets open_digits() { return open_data_sets({DataSetKind::kColoredDigits, "no/such/folder"}); }

uint64_t fnv1a(const ImageSet& set, int64_t i, uint64_t hash = 0xCBF29CE484222325u) {
  std::vector<uint8_t> scratch;
  const Image image = set.image(i, scratch);
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        hash = (hash ^ static_cast<uint64_t>(value_at(image, c, y, x))) * 0x100000001B3u;
      }
    }
  }
  return hash;
}

TEST(ColoredDigits, EmbeddedValuesAreThoseOfTheShippedFile) {
  std::ifstream csv("third_party/digits/digits.csv");
  ASSERT_TRUE(csv) << "run from the repository root";
  std::string line;
  int i = 0;
  for (; std::getline(csv, line); ++i) {
    ASSERT_LT(i, kNumDigits);
    const Digit8x8 digit = digit_8x8(i);
    std::istringstream values(line);
    std::string value;
    for (size_t p = 0; p < 64; ++p) {
      ASSERT_TRUE(std::getline(values, value, ','));
      ASSERT_EQ(std::stoi(value), digit.ink[p]) << "line " << i + 1 << ", value " << p;
    }
    ASSERT_TRUE(std::getline(values, value, ','));
    ASSERT_EQ(std::stoi(value), digit.digit) << "line " << i + 1;
    ASSERT_FALSE(std::getline(values, value, ','));
  }
  EXPECT_EQ(i, kNumDigits);
}

TEST(ColoredDigits, PartsAndFactors) {
  const DataSets sets = open_digits();
  EXPECT_EQ(sets.train->size(), 1437);
  EXPECT_EQ(sets.test->size(), 360);
  EXPECT_EQ(sets.labelled, sets.train);
  std::array<int, 10> count = {};
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    ASSERT_EQ(set->factors().size(), 2u);
    EXPECT_EQ(set->factors()[0].name, "digit");
    EXPECT_EQ(set->factors()[1].name, "colour");
    for (const auto& factor : set->factors()) {
      EXPECT_EQ(factor.num_values, 10);
      ASSERT_EQ(static_cast<int64_t>(factor.values.size()), set->size());
      EXPECT_EQ(*std::min_element(factor.values.begin(), factor.values.end()), 0);
      EXPECT_EQ(*std::max_element(factor.values.begin(), factor.values.end()), 9);
    }
    for (int64_t i = 0; i < set->size(); ++i) ++count[static_cast<size_t>(set->label(i))];
  }
  EXPECT_EQ(count, (std::array<int, 10>{178, 182, 177, 183, 181, 182, 181, 179, 174,
                                        180}));  // of the published set
}

// Runs are compared across machines and versions: the set is frozen. A new value here is a new data
// set.
TEST(ColoredDigits, EveryPixelIsFrozen) {
  const DataSets sets = open_digits();
  uint64_t hash = 0xCBF29CE484222325u;
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    for (int64_t i = 0; i < set->size(); ++i) hash = fnv1a(*set, i, hash);
  }
  EXPECT_EQ(hash, 5212466681703871159u);
}

// Every digit has noise of its own: 1,797 different images mean that each digit is used once.
TEST(ColoredDigits, NoImageIsInBothParts) {
  const DataSets sets = open_digits();
  std::set<uint64_t> seen;
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    for (int64_t i = 0; i < set->size(); ++i) seen.insert(fnv1a(*set, i));
  }
  EXPECT_EQ(seen.size(), 1797u);
}

TEST(ColoredDigits, ColourIsIndependentOfTheDigit) {
  const DataSets sets = open_digits();
  std::array<std::array<double, 10>, 10> table = {};
  std::array<double, 10> digits = {}, colours = {};
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    for (size_t i = 0; i < set->factors()[0].values.size(); ++i) {
      const auto d = static_cast<size_t>(set->factors()[0].values[i]),
                 c = static_cast<size_t>(set->factors()[1].values[i]);
      ++table[d][c], ++digits[d], ++colours[c];
    }
  }
  double chi_square = 0, uniform = 0;
  for (size_t c = 0; c < 10; ++c) {
    uniform += std::pow(colours[c] - 179.7, 2) / 179.7;
    for (size_t d = 0; d < 10; ++d) {
      const double expected = digits[d] * colours[c] / 1797;
      chi_square += std::pow(table[d][c] - expected, 2) / expected;
    }
  }
  EXPECT_LT(chi_square, 113.5);  // 99 % quantile, 81 degrees of freedom
  EXPECT_LT(uniform, 21.7);      // 99 % quantile, 9 degrees of freedom
}

// The hue in tenths of a turn that the image's mean colour has.
double mean_hue(const Image& image) {
  std::array<double, 3> rgb = {};
  for (int c = 0; c < 3; ++c) {
    for (int y = 3; y < 29; ++y) {
      for (int x = 3; x < 29; ++x) rgb[static_cast<size_t>(c)] += value_at(image, c, y, x);
    }
  }
  const double y = std::sqrt(3.0) * (rgb[1] - rgb[2]), x = 2 * rgb[0] - rgb[1] - rgb[2];
  const double turn = std::atan2(y, x) / (2 * M_PI);
  return 10 * (turn < 0 ? turn + 1 : turn);
}

TEST(ColoredDigits, TheColourFactorIsTheColourSeen) {
  const DataSets sets = open_digits();
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < sets.test->size(); ++i) {
    const double colour =
        static_cast<double>(sets.test->factors()[1].values[static_cast<size_t>(i)]);
    const double apart = std::abs(mean_hue(sets.test->image(i, scratch)) - colour);
    EXPECT_LT(std::min(apart, 10 - apart), 0.5) << "image " << i;
  }
}

std::vector<int> brightness(const Image& image) {
  std::vector<int> result;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      result.push_back(
          std::max({value_at(image, 0, y, x), value_at(image, 1, y, x), value_at(image, 2, y, x)}));
    }
  }
  return result;
}

// The nearest training image by brightness alone has the same digit nearly always (raw 8x8 values:
// 98 %).
TEST(ColoredDigits, TheDigitIsReadableWhateverItsColour) {
  const DataSets sets = open_digits();
  std::vector<uint8_t> scratch;
  std::vector<std::vector<int>> bank;
  for (int64_t i = 0; i < sets.train->size(); ++i)
    bank.push_back(brightness(sets.train->image(i, scratch)));
  int64_t right = 0;
  for (int64_t i = 0; i < sets.test->size(); ++i) {
    const auto query = brightness(sets.test->image(i, scratch));
    int64_t nearest = -1, best = std::numeric_limits<int64_t>::max();
    for (size_t b = 0; b < bank.size(); ++b) {
      int64_t distance = 0;
      for (size_t p = 0; p < query.size(); ++p)
        distance += int64_t{query[p] - bank[b][p]} * (query[p] - bank[b][p]);
      if (distance < best) best = distance, nearest = static_cast<int64_t>(b);
    }
    right += sets.train->label(nearest) == sets.test->label(i);
  }
  EXPECT_GT(static_cast<double>(right) / static_cast<double>(sets.test->size()), 0.95);
}

TEST(ColoredDigits, TheGroundIsDarkNoise) {
  const DataSets sets = open_digits();
  std::vector<uint8_t> scratch;
  int highest = 0;
  double sum = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const Image image = sets.train->image(i, scratch);
    for (int c = 0; c < 3; ++c) {
      for (int x = 0; x < 32; ++x) {
        highest = std::max(highest, value_at(image, c, 1, x));
        sum += value_at(image, c, 1, x);
      }
    }
  }
  EXPECT_EQ(highest, 80);
  EXPECT_NEAR(sum / 9600, 40.0, 1.2);  // five standard errors
}

}  // namespace
}  // namespace ipirm::data

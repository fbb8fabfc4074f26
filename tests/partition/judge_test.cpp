// Mutual information against hand-made tables, certainty, and overlap against all permutations.
#include "ipirm/partition/judge.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ipirm/partition/sources.h"

namespace ipirm::partition {
namespace {

constexpr double kRounding = 1e-12;  // of sums of a few terms below 10

// Samples of environments (rows) and values (columns) that meet as often as the table says.
struct Samples {
  torch::Tensor environment, values;
};
Samples samples_of(const std::vector<std::vector<int64_t>>& table) {
  std::vector<int64_t> environment, values;
  for (size_t e = 0; e < table.size(); ++e) {
    for (size_t v = 0; v < table[e].size(); ++v) {
      const auto count = static_cast<size_t>(table[e][v]);
      environment.insert(environment.end(), count, static_cast<int64_t>(e));
      values.insert(values.end(), count, static_cast<int64_t>(v));
    }
  }
  return {torch::tensor(environment, torch::kInt64), torch::tensor(values, torch::kInt64)};
}

FactorShare share_of(const std::vector<std::vector<int64_t>>& table) {
  const auto [environment, values] = samples_of(table);
  return factor_share(environment, {"hue", values});
}

void expect_share(const FactorShare& found, double information, double entropy, double share) {
  EXPECT_NEAR(found.information, information, kRounding);
  EXPECT_NEAR(found.entropy, entropy, kRounding);
  EXPECT_NEAR(found.share, share, kRounding);
}

TEST(FactorShareTest, OfHandMadeTables) {
  const double ln2 = std::log(2.0);
  expect_share(share_of({{5, 0}, {0, 5}}), ln2, ln2, 1);                        // each is the other
  expect_share(share_of({{0, 5}, {5, 0}}), ln2, ln2, 1);                        // under other names
  expect_share(share_of({{3, 6}, {2, 4}}), 0, std::log(3.0) - 2 * ln2 / 3, 0);  // independent
  expect_share(share_of({{4, 4}, {0, 0}}), 0, ln2, 0);                          // one environment
  expect_share(share_of({{4}, {3}}), 0, 0, 0);                                  // one value: H is 0
  // Four values in two halves: half of their entropy.
  expect_share(share_of({{2, 2, 0, 0}, {0, 0, 2, 2}}), ln2, 2 * ln2, .5);
  // Environments that split values tell all about them.
  expect_share(share_of({{2, 0}, {2, 0}, {0, 2}, {0, 2}}), ln2, ln2, 1);
  // p = 3/8, 1/8, 1/8, 3/8 with halves for margins: 2 * 3/8 ln(3/2) + 2 * 1/8 ln(1/2).
  const double expected = .75 * std::log(1.5) - .25 * ln2;
  expect_share(share_of({{3, 1}, {1, 3}}), expected, ln2, expected / ln2);
  // Margins 1/2, 1/2 and 3/4, 1/4: p = 1/2, 0, 1/4, 1/4.
  expect_share(share_of({{4, 0}, {2, 2}}),
               .5 * std::log(4 / 3.) + .25 * std::log(2 / 3.) + .25 * ln2,
               2 * ln2 - .75 * std::log(3.0),
               (.5 * std::log(4 / 3.) + .25 * std::log(2 / 3.) + .25 * ln2) /
                   (2 * ln2 - .75 * std::log(3.0)));
}

TEST(FactorShareTest, LeavesOutWhatIsUnknown) {
  const auto environment = torch::tensor({0, 0, 1, 1, 0, 1}, torch::kInt64);
  const auto values = torch::tensor({0, 0, 1, 1, -1, -1}, torch::kInt64);
  expect_share(factor_share(environment, {"hue", values}), std::log(2.0), std::log(2.0), 1);
  expect_share(factor_share(environment, {"hue", torch::full({6}, -1, torch::kInt64)}), 0, 0, 0);
}

TEST(FactorShareTest, OfRandomEnvironmentsIsThatOfChance) {
  // (K-1)(V-1)/2N = .00135; twice N of it is chi-squared of 27 degrees: 27 +- 7.3.
  const auto environment = random_partition(10000, 4, 1, 0, {}).argmax(1);
  const auto values = torch::arange(10000, torch::kInt64).remainder(10);
  EXPECT_NEAR(factor_share(environment, {"digit", values}).information, .00135, .0015);
}

TEST(Certainty, IsTheMeanOfTheLargestWeight) {
  EXPECT_NEAR(certainty(torch::zeros({5, 4})), .25, 1e-6);
  EXPECT_NEAR(certainty(hard_logits(torch::tensor({0, 1, 1}, torch::kInt64), 2)), 1, 1e-6);
  const auto logits = torch::tensor({{.8, .2}, {.4, .6}}, torch::kFloat64).log();
  EXPECT_NEAR(certainty(logits), .7, kRounding);
}

TEST(Overlap, OfHandMadePartitions) {
  const auto of = [](const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
    return overlap(torch::tensor(a, torch::kInt64), torch::tensor(b, torch::kInt64));
  };
  EXPECT_DOUBLE_EQ(of({0, 0, 1, 1}, {0, 0, 1, 1}), 1);
  EXPECT_DOUBLE_EQ(of({0, 0, 1, 1}, {1, 1, 0, 0}), 1);
  EXPECT_DOUBLE_EQ(of({0, 0, 1, 1}, {0, 1, 0, 1}), .5);
  EXPECT_DOUBLE_EQ(of({0, 0, 0, 0}, {0, 1, 2, 3}), .25);
  EXPECT_DOUBLE_EQ(of({0, 0, 1, 1, 2, 2}, {2, 2, 0, 0, 1, 0}), 5 / 6.);
  // Taking the largest pair first (3 of 0 with 0) leaves 1: the best is 2 + 2.
  EXPECT_DOUBLE_EQ(of({0, 0, 0, 0, 0, 1, 1}, {0, 0, 0, 1, 1, 0, 0}), 4 / 7.);
}

TEST(Overlap, IsTheBestOfAllPermutations) {
  torch::manual_seed(5);
  for (int64_t k = 2; k <= 6; ++k) {
    for (int trial = 0; trial < 20; ++trial) {
      const auto a = torch::randint(k, {30}, torch::kInt64),
                 b = torch::randint(k, {30}, torch::kInt64);
      std::vector<int64_t> names(static_cast<size_t>(k));
      std::iota(names.begin(), names.end(), 0);
      int64_t best = 0;
      do {
        const auto renamed = torch::tensor(names, torch::kInt64).index_select(0, b);
        best = std::max(best, a.eq(renamed).sum().item<int64_t>());
      } while (std::next_permutation(names.begin(), names.end()));
      EXPECT_DOUBLE_EQ(overlap(a, b), static_cast<double>(best) / 30) << k << ": " << a << b;
    }
  }
}

TEST(Overlap, OfManyEnvironmentsIsGreedy) {
  const auto a = torch::arange(1000, torch::kInt64);
  EXPECT_DOUBLE_EQ(overlap(a, a.flip(0)), 1);
  EXPECT_DOUBLE_EQ(overlap(a, torch::zeros({1000}, torch::kInt64)), .001);
}

TEST(Judge, PutsItTogether) {
  const auto environment = torch::tensor({0, 0, 1, 1}, torch::kInt64);
  const auto logits = hard_logits(environment, 2);
  const std::vector<KnownFactor> factors = {{"digit", torch::tensor({0, 1, 0, 1}, torch::kInt64)},
                                            {"hue", environment}};
  const auto first = judge(logits, factors, {});
  ASSERT_EQ(first.factors.size(), 2u);
  EXPECT_EQ(first.factors[0].name, "digit");
  expect_share(first.factors[0], 0, std::log(2.0), 0);
  EXPECT_EQ(first.factors[1].name, "hue");
  expect_share(first.factors[1], std::log(2.0), std::log(2.0), 1);
  EXPECT_NEAR(first.certainty, 1, 1e-6);
  EXPECT_EQ(first.overlap, std::nullopt);
  EXPECT_EQ(judge(logits, {}, logits.flip(1)).overlap, 1.0);
}

}  // namespace
}  // namespace ipirm::partition

// Keyed random numbers: Philox's published values, independence of the keys, the distributions.
#include "ipirm/core/keyed_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace ipirm::core {
namespace {

// The known answer of Random123 (Salmon et al.) for counter 0 and key 0.
TEST(KeyedRandom, IsPhilox4x32With10Rounds) {
  KeyedRandom random(0, static_cast<Purpose>(0), 0);
  EXPECT_EQ(random.bits(), 0x6627e8d5u);
  EXPECT_EQ(random.bits(), 0xe169c58du);
  EXPECT_EQ(random.bits(), 0xbc57ac4cu);
  EXPECT_EQ(random.bits(), 0x9b00dbd8u);
}

TEST(KeyedRandom, EveryPartOfTheKeyMatters) {
  std::set<uint32_t> first;
  const auto add = [&](KeyedRandom random) { first.insert(random.bits()); };
  add(KeyedRandom(1, Purpose::kTrainView, 1, 1, 0));
  add(KeyedRandom(2, Purpose::kTrainView, 1, 1, 0));
  add(KeyedRandom(1ull << 32, Purpose::kTrainView, 1, 1, 0));
  add(KeyedRandom(1, Purpose::kMaximizeView, 1, 1, 0));
  add(KeyedRandom(1, Purpose::kTrainView, 2, 1, 0));
  add(KeyedRandom(1, Purpose::kTrainView, 1, 2, 0));
  add(KeyedRandom(1, Purpose::kTrainView, 1, 1 + (1ull << 32), 0));
  add(KeyedRandom(1, Purpose::kTrainView, 1, 1, 1));
  EXPECT_EQ(first.size(), 8u);
}

TEST(KeyedRandom, UniformAndNormalHaveTheirMoments) {
  KeyedRandom random(7, Purpose::kTrainView, 0);
  const int n = 100000;
  double sum = 0, square = 0, normal_sum = 0, normal_square = 0, least = 1, most = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(), x = random.normal();
    sum += u, square += u * u, normal_sum += x, normal_square += x * x;
    least = std::min(least, u), most = std::max(most, u);
  }
  EXPECT_NEAR(sum / n, .5, .005);
  EXPECT_NEAR(square / n, 1. / 3, .005);
  EXPECT_NEAR(normal_sum / n, 0, .015);
  EXPECT_NEAR(normal_square / n, 1, .02);
  EXPECT_GE(least, 0);
  EXPECT_LT(most, 1);
}

TEST(KeyedRandom, BelowIsUniformAndInRange) {
  KeyedRandom random(3, Purpose::kTrainView, 0);
  std::vector<int> count(7);
  for (int i = 0; i < 70000; ++i) ++count.at(random.below(7));
  for (const int c : count) EXPECT_NEAR(c, 10000, 500);
}

// Quantiles of Beta(1,1) (uniform), Beta(.2,.2) and Beta(2,2) (closed forms and tables).
TEST(KeyedRandom, BetaHasItsQuantiles) {
  const auto quantile = [](double alpha, double q) {
    KeyedRandom random(11, Purpose::kMixup, 0);
    std::vector<double> draws(40000);
    for (auto& draw : draws) draw = random.beta(alpha, alpha);
    std::sort(draws.begin(), draws.end());
    return draws[static_cast<size_t>(q * 40000)];
  };
  EXPECT_NEAR(quantile(1, .25), .25, .01);
  EXPECT_NEAR(quantile(1, .9), .9, .01);
  EXPECT_NEAR(quantile(2, .5), .5, .01);
  EXPECT_NEAR(quantile(2, .15625), .25, .01);   // F(x) = 3x^2 - 2x^3 for Beta(2,2): F(.25) = .15625
  EXPECT_NEAR(quantile(.5, 1. / 3), .25, .01);  // arcsine law: F(x) = 2/pi asin(sqrt x)
}

TEST(Permutation, HoldsEachNumberOnceAndIsKeyed) {
  const auto order = permutation(KeyedRandom(1, Purpose::kTrainOrder, 1), 1000);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int64_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
  EXPECT_EQ(order, permutation(KeyedRandom(1, Purpose::kTrainOrder, 1), 1000));
  EXPECT_NE(order, permutation(KeyedRandom(1, Purpose::kTrainOrder, 2), 1000));
}

}  // namespace
}  // namespace ipirm::core

// Keyed random numbers: Philox's published values, independence of the keys, the distributions.
#include "ipirm/core/keyed_random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>

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

// A number of too many bits would silently give another one's stream.
TEST(KeyedRandom, NumbersBeyondTheirBitsAreRefused) {
  constexpr uint64_t kEpochEnd = uint64_t{1} << KeyedRandom::kEpochBits;
  constexpr uint64_t kSampleEnd = uint64_t{1} << KeyedRandom::kSampleBits;
  constexpr uint32_t kViewEnd = uint32_t{1} << KeyedRandom::kViewBits;
  const auto bits = [](uint64_t epoch, uint64_t sample, uint32_t view) {
    return KeyedRandom(1, Purpose::kTrainView, epoch, sample, view).bits();
  };
  const std::set<uint32_t> largest = {bits(kEpochEnd - 1, 0, 0), bits(0, kSampleEnd - 1, 0),
                                      bits(0, 0, kViewEnd - 1),
                                      bits(kEpochEnd - 1, kSampleEnd - 1, kViewEnd - 1)};
  EXPECT_EQ(largest.size(), 4u);
  EXPECT_THROW(bits(kEpochEnd, 0, 0), std::out_of_range);
  EXPECT_THROW(bits(0, kSampleEnd, 0), std::out_of_range);
  EXPECT_THROW(bits(0, 0, kViewEnd), std::out_of_range);
  EXPECT_THROW(permutation(KeyedRandom(1, Purpose::kTrainOrder, 1), int64_t{1} << 32),
               std::out_of_range);
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

// Any shape, against F(x) by numerical integration of the density. For tiny shapes F(x) is nearly
// x^a / 2 up to the middle: a coin between the ends, with little between them.
TEST(KeyedRandom, BetaHoldsForAnyShape) {
  std::map<double, std::vector<double>> draws_of;
  const auto share_below = [&](double alpha, double x) {
    auto& draws = draws_of[alpha];
    if (draws.empty()) {
      KeyedRandom random(12, Purpose::kMixup, 0);
      for (int i = 0; i < 100000; ++i) draws.push_back(random.beta(alpha, alpha));
      std::sort(draws.begin(), draws.end());
    }
    const auto below = std::lower_bound(draws.begin(), draws.end(), x) - draws.begin();
    return static_cast<double>(below) / static_cast<double>(draws.size());
  };
  for (const auto& [alpha, x, expected] : std::vector<std::array<double, 3>>{
           {0.1, 0.001, 0.25424}, {0.1, 0.1, 0.40639}, {0.1, 0.3, 0.46280},
           {0.1, 0.5, 0.50000},   {0.1, 0.8, 0.56029}, {0.1, 0.99, 0.67969},
           {0.2, 0.001, 0.13220}, {0.2, 0.1, 0.33669}, {0.2, 0.3, 0.43320},
           {0.2, 0.5, 0.50000},   {0.2, 0.8, 0.60728}, {0.2, 0.99, 0.79022},
           {0.4, 0.001, 0.03733}, {0.4, 0.1, 0.23974}, {0.4, 0.3, 0.38750},
           {0.4, 0.5, 0.50000},   {0.4, 0.8, 0.67746}, {0.4, 0.99, 0.90608},
           {1.5, 0.1, 0.05204},   {1.5, 0.3, 0.25232}, {1.5, 0.45, 0.43644},
           {1.5, 0.5, 0.50000},   {1.5, 0.6, 0.62647}, {1.5, 0.8, 0.85762},
           {5, 0.1, 0.00089},     {5, 0.3, 0.09881},   {5, 0.45, 0.37858},
           {5, 0.5, 0.50000},     {5, 0.6, 0.73343},   {5, 0.8, 0.98042},
           {50, 0.4, 0.02192},    {50, 0.45, 0.15839}, {50, 0.5, 0.49609},
           {50, 0.53, 0.72627},   {50, 0.56, 0.88533}, {50, 0.6, 0.97808}}) {
    EXPECT_NEAR(share_below(alpha, x), expected, .005) << alpha << " " << x;
  }
  for (const double alpha : {1e-3, 1e-2}) {
    for (const double x : {1e-9, .1, .5, .9, 1 - 1e-9}) {
      const double expected = x <= .5 ? std::pow(x, alpha) / 2 : 1 - std::pow(1 - x, alpha) / 2;
      EXPECT_NEAR(share_below(alpha, x), expected, .005) << alpha << " " << x;
    }
  }
  for (const double alpha : {1e-320, 1e-300, 1e-20}) {  // always an end, either alike
    EXPECT_NEAR(share_below(alpha, .5), .5, .005) << alpha;
    EXPECT_NEAR(share_below(alpha, 1e-200), .5, .005) << alpha;
  }
  EXPECT_NEAR(share_below(1e12, .5 + 1e-6), .997661, .005);  // normal, standard deviation 3.54e-7
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

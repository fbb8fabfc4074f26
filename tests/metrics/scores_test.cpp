// Information, modularity, gaps, robustness and predictability against golden values, and on codes
// whose scores are known.
#include <cmath>

#include "ipirm/metrics/information.h"
#include "ipirm/metrics/irs.h"
#include "ipirm/metrics/sap.h"
#include "metrics/expectations.h"
#include "metrics/golden_set.h"

namespace ipirm::metrics {
namespace {

using testing::AllNear;
using testing::columns_of;
using testing::golden_number;
using testing::golden_numbers;
using testing::golden_set;

constexpr double kExact = 1e-14;

const Workers kWorkers(2);

std::vector<double> entropies(const Sample& sample) {
  std::vector<double> result;
  for (const auto& values : sample.factors) result.push_back(entropy(values));
  return result;
}

double information_gap(const Sample& sample) {
  return mean(information_gaps(information(sample, kWorkers), entropies(sample)));
}

double modularity(const Sample& sample) {
  return mean(modularities(information(sample, kWorkers)));
}

TEST(Information, BinsAreTwentyEqualOnes) {
  EXPECT_EQ(discretize({0, .05, .5, 1}), Values({1, 2, 11, 20}));
  EXPECT_EQ(discretize({.25, .25}), Values({11, 11}));
  const auto bins = discretize(golden_set().train.codes.column(2));
  const auto expected = golden_numbers("bins_z2");
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(bins[i], static_cast<int64_t>(expected[i])) << i;
}

TEST(Information, GoldenValues) {
  const auto train = golden_set().train;
  EXPECT_THAT(information(train, kWorkers).values, AllNear(golden_numbers("information"), kExact));
  EXPECT_THAT(entropies(train), AllNear(golden_numbers("entropy"), kExact));
  EXPECT_NEAR(modularity(train), golden_number("modularity"), kExact);
  EXPECT_NEAR(information_gap(train), golden_number("information_gap"), kExact);
}

TEST(Robustness, GoldenValuesWithoutTheDeadCode) {
  auto train = golden_set().train;
  train.codes = columns_of(train.codes, {0, 1, 2, 3, 3});
  for (int64_t i = 0; i < train.codes.rows; ++i) train.codes(i, 4) = .25;
  const auto found = interventional_robustness(train, .99, kWorkers);
  EXPECT_NEAR(found.score, golden_number("irs"), kExact);
  ASSERT_EQ(found.codes.size(), 4u);
  const auto scores = golden_numbers("irs_scores"), weights = golden_numbers("irs_weights"),
             parents = golden_numbers("irs_parents");
  for (size_t d = 0; d < 4; ++d) {
    EXPECT_NEAR(found.codes[d].score, scores[d], kExact);
    EXPECT_NEAR(found.codes[d].weight, weights[d], kExact);
    EXPECT_EQ(found.codes[d].parent, static_cast<int64_t>(parents[d]));
  }
  EXPECT_THAT(found.codes[0].of_factor, AllNear(golden_numbers("irs_code0"), kExact));
  EXPECT_THAT(found.codes[3].of_factor, AllNear(golden_numbers("irs_code3"), kExact));
  EXPECT_NEAR(interventional_robustness(train, 1, kWorkers).score, golden_number("irs_largest"),
              kExact);
}

TEST(Predictability, GoldenValues) {
  const auto set = golden_set();
  const auto accuracy = attribute_predictability(set.train, set.test, kWorkers);
  EXPECT_THAT(accuracy.values, AllNear(golden_numbers("sap"), 1e-6));  // given with six digits
  EXPECT_NEAR(predictability_gap(accuracy), golden_number("sap"), 1e-9);
  const auto two = separate(set.train.codes.column(0), Classes(set.train.factors[0]));
  ASSERT_EQ(two.size(), 1u);
  EXPECT_THAT(std::vector<double>({two[0].weight, two[0].bias}),
              AllNear(golden_numbers("sap_z0_y0"), 1e-12));
  std::vector<double> four;
  for (const auto& line : separate(set.train.codes.column(2), Classes(set.train.factors[2])))
    four.insert(four.end(), {line.weight, line.bias});
  EXPECT_THAT(four, AllNear(golden_numbers("sap_z2_y2"), 1e-10));  // given with ten digits
}

// Ten factors of ten values; the codes are the values themselves.
Sample identity() {
  testing::Lcg random(3);
  Sample sample{Matrix(1000, 10), std::vector<Values>(10)};
  for (int64_t i = 0; i < 1000; ++i) {
    for (int64_t f = 0; f < 10; ++f) {
      sample.factors[static_cast<size_t>(f)].push_back(1 +
                                                       static_cast<int64_t>(random.uniform() * 10));
      sample.codes(i, f) = static_cast<double>(sample.factors[static_cast<size_t>(f)].back());
    }
  }
  return sample;
}

TEST(Scores, OfTheFactorsThemselves) {
  const auto sample = identity();
  EXPECT_EQ(interventional_robustness(sample, .99, kWorkers).score, 1);
  EXPECT_NEAR(modularity(sample), golden_number("identity_modularity"), kExact);
  EXPECT_NEAR(information_gap(sample), golden_number("identity_information_gap"), kExact);
}

TEST(Scores, OfZeros) {
  auto sample = identity();
  sample.codes = Matrix(1000, 10);
  EXPECT_EQ(interventional_robustness(sample, .99, kWorkers).score, 0);
  EXPECT_TRUE(interventional_robustness(sample, .99, kWorkers).codes.empty());
  EXPECT_EQ(modularity(sample), 0);
  EXPECT_EQ(information_gap(sample), 0);
  EXPECT_EQ(predictability_gap(attribute_predictability(sample, sample, kWorkers)), 0);
}

TEST(Scores, OfDuplicatedCodes) {
  auto sample = identity();
  const double once = modularity(sample);
  sample.codes =
      columns_of(sample.codes, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_NEAR(modularity(sample), once, kExact);
  EXPECT_EQ(information_gap(sample), 0);
  EXPECT_EQ(predictability_gap(attribute_predictability(sample, sample, kWorkers)), 0);
  EXPECT_EQ(interventional_robustness(sample, .99, kWorkers).score, 1);
}

// Each sample's ten values in an order of its own.
TEST(Scores, OfValuesInRandomOrderAreLow) {
  auto sample = identity();
  testing::Lcg random(9);
  for (int64_t i = 0; i < sample.codes.rows; ++i) {
    for (int64_t d = 9; d > 0; --d) {
      const auto other = static_cast<int64_t>(random.uniform() * static_cast<double>(d + 1));
      std::swap(sample.codes(i, d), sample.codes(i, other));
    }
  }
  EXPECT_LT(information_gap(sample), .05);
  EXPECT_LT(interventional_robustness(sample, .99, kWorkers).score, .2);
}

// A modular code answers to one factor, however many share it; one that answers to all is not.
TEST(Scores, AnotherSetKeepsTheirRange) {
  for (const uint32_t seed : {2u, 77u, 4000000000u}) {
    const auto set = golden_set(seed);
    for (const double score : modularities(information(set.train, kWorkers))) {
      EXPECT_GE(score, 0);
      EXPECT_LE(score, 1);
    }
    const auto found = interventional_robustness(set.train, .99, kWorkers);
    EXPECT_THAT(
        std::vector<int64_t>({found.codes[0].parent, found.codes[1].parent, found.codes[2].parent}),
        ::testing::ElementsAre(0, 1, 2));
    EXPECT_NEAR(found.score, golden_number("irs"), .1);
    EXPECT_NEAR(information_gap(set.train), golden_number("information_gap"), .15);
  }
}

TEST(Scores, NumbersOfThreadsChangeNoBit) {
  const auto set = golden_set();
  EXPECT_EQ(information(set.train, Workers(1)).values, information(set.train, Workers(5)).values);
  EXPECT_EQ(attribute_predictability(set.train, set.test, Workers(1)).values,
            attribute_predictability(set.train, set.test, Workers(5)).values);
  EXPECT_EQ(interventional_robustness(set.train, .99, Workers(1)).score,
            interventional_robustness(set.train, .99, Workers(5)).score);
}

}  // namespace
}  // namespace ipirm::metrics

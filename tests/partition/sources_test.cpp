// Partitions that no search has made: what settings name them, how they are drawn, how factors are
// cut.
#include "ipirm/partition/sources.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <numeric>

#include "ipirm/partition/partition_set.h"
#include "support/user_error.h"

namespace ipirm::partition {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr BalanceOptions kFree{}, kEqual{.constrain = true};

std::vector<int64_t> listed(const torch::Tensor& values) {
  const auto whole = values.contiguous();
  return {whole.const_data_ptr<int64_t>(), whole.const_data_ptr<int64_t>() + whole.numel()};
}

torch::Tensor drawn(int64_t n, int64_t k, uint64_t seed, uint64_t maximization,
                    const BalanceOptions& balance) {
  return environment_of(random_partition(n, k, seed, maximization, balance));
}

// Values 0, 1, ... as often as `counts` says, the last value first.
torch::Tensor values_of(const std::vector<int64_t>& counts) {
  std::vector<int64_t> values;
  for (size_t v = counts.size(); v-- > 0;)
    values.insert(values.end(), static_cast<size_t>(counts[v]), static_cast<int64_t>(v));
  return torch::tensor(values, torch::kInt64);
}

// The environment of each value that occurs.
std::vector<int64_t> cut_of(const std::vector<int64_t>& counts, int64_t num_env) {
  const auto values = values_of(counts);
  const auto environment =
      environment_of(factor_partition(values, static_cast<int64_t>(counts.size()), num_env, "hue"));
  std::vector<int64_t> result(counts.size(), -1);
  const auto v = listed(values), e = listed(environment);
  for (size_t i = 0; i < v.size(); ++i) {
    auto& place = result[static_cast<size_t>(v[i])];
    EXPECT_TRUE(place == -1 || place == e[i]) << "a value in two environments";
    place = e[i];
  }
  return result;
}

TEST(PartitionSource, IsNamedByOneText) {
  EXPECT_EQ(parse_source("search"), SourceOptions{});
  EXPECT_EQ(parse_source("random"), SourceOptions{SourceKind::kRandom});
  EXPECT_EQ(parse_source("factor:hue"), (SourceOptions{SourceKind::kFactor, "hue"}));
  EXPECT_EQ(parse_source("factor:a:b c"), (SourceOptions{SourceKind::kFactor, "a:b c"}));
  for (const char* text : {"search", "random", "factor:hue", "factor:a:b c"})
    EXPECT_EQ(source_text(parse_source(text).value()), text);
  for (const char* text :
       {"", "Search", "factor", "factor:", "hue", ":hue", "random:3", "search:", "factors:hue"})
    EXPECT_EQ(parse_source(text), std::nullopt) << text;
  EXPECT_THAT(source_forms(), ElementsAre("search", "random", "factor:NAME"));
}

TEST(HardLogits, SoftmaxIsNearlyOneHot) {
  const auto environment = torch::tensor({2, 0, 1}, torch::kInt64);
  const auto logits = hard_logits(environment, 3);
  EXPECT_EQ(logits.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::equal(environment_of(logits), environment));
  const auto one_hot = torch::one_hot(environment, 3).to(torch::kFloat32);
  EXPECT_LT((logits.softmax(1) - one_hot).abs().max().item<float>(), 3e-9F);
  const auto most = hard_logits(torch::tensor({7}, torch::kInt64), 65536).softmax(1);
  EXPECT_GT(most[0][7].item<float>(), .999F);
}

TEST(RandomPartition, IsDrawnAnewForEachSeedAndMaximization) {
  for (const auto& balance : {kFree, kEqual}) {
    const auto first = drawn(1000, 4, 1, 7, balance);
    EXPECT_TRUE(torch::equal(first, drawn(1000, 4, 1, 7, balance)));
    for (const auto& other : {drawn(1000, 4, 2, 7, balance), drawn(1000, 4, 1, 8, balance)}) {
      // Independent: a quarter agrees, 250 with a standard deviation of 14.
      const auto agree = first.eq(other).sum().item<int64_t>();
      EXPECT_NEAR(static_cast<double>(agree), 250, 70);
    }
  }
}

TEST(RandomPartition, ConstrainedSizesDifferByOneAtMost) {
  for (const int64_t n : {9, 10, 11, 1437}) {
    for (const int64_t k : {2, 3, 4, 9}) {
      const auto sizes = environment_sizes(random_partition(n, k, 3, 0, kEqual));
      const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
      EXPECT_LE(*most - *least, 1) << n << " in " << k;
      EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}), n);
    }
  }
  // A permutation is cut, not the set's order.
  const auto environment = drawn(1000, 2, 3, 0, kEqual);
  EXPECT_NEAR(static_cast<double>(environment.slice(0, 0, 500).sum().item<int64_t>()), 250, 60);
}

TEST(RandomPartition, FreeSizesAreThoseOfIndependentDraws) {
  // Over 200 draws of 300 samples: mean 100, variance 300 * 1/3 * 2/3 = 66.7 (+- 6.7).
  double sum = 0, squares = 0;
  for (uint64_t m = 0; m < 200; ++m) {
    const auto size =
        static_cast<double>(environment_sizes(random_partition(300, 3, 1, m, kFree))[1]);
    sum += size;
    squares += (size - 100) * (size - 100);
  }
  EXPECT_NEAR(sum / 200, 100, 2.5);
  EXPECT_NEAR(squares / 200, 66.7, 30);
}

TEST(FactorPartition, OfAsManyValuesIsTheFactor) {
  const auto values = torch::tensor({3, 0, 2, 1, 0, 0, 0, 0, 3}, torch::kInt64);
  EXPECT_TRUE(torch::equal(environment_of(factor_partition(values, 4, 4, "hue")), values));
}

TEST(FactorPartition, RangesOfValuesHoldAboutAsMany) {
  EXPECT_EQ(cut_of({10, 10, 10, 10}, 2), (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(cut_of({5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 4),  // ends due at 12.5, 25, 37.5
            (std::vector<int64_t>{0, 0, 1, 1, 1, 2, 2, 3, 3, 3}));
  EXPECT_EQ(cut_of({1, 1, 1, 30}, 2), (std::vector<int64_t>{0, 0, 0, 1}));
  EXPECT_EQ(cut_of({30, 1, 1, 1}, 2), (std::vector<int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(cut_of({1, 4, 2}, 2), (std::vector<int64_t>{0, 0, 1}));   // 5 is nearer to 3.5 than 1
  EXPECT_EQ(cut_of({2, 2, 2}, 2), (std::vector<int64_t>{0, 1, 1}));   // 2 is as near to 3 as 4
  EXPECT_EQ(cut_of({1, 1, 40}, 3), (std::vector<int64_t>{0, 1, 2}));  // each needs a value
  EXPECT_EQ(cut_of({40, 1, 1, 1}, 3), (std::vector<int64_t>{0, 1, 2, 2}));
  // A value that no image has is none.
  EXPECT_EQ(cut_of({3, 0, 3, 0}, 2), (std::vector<int64_t>{0, -1, 1, -1}));
}

// The rule, for many shapes: every environment has a value, and they ascend.
TEST(FactorPartition, EveryEnvironmentHoldsAscendingValues) {
  torch::manual_seed(2);
  for (int trial = 0; trial < 200; ++trial) {
    const auto num_values = torch::randint(2, 12, {1}).item<int64_t>();
    const auto counts = listed(torch::randint(1, trial % 2 ? 4 : 60, {num_values}));
    const auto num_env = torch::randint(2, num_values + 1, {1}).item<int64_t>();
    const auto found = cut_of(counts, num_env);
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
    EXPECT_EQ(found.front(), 0);
    EXPECT_EQ(found.back(), num_env - 1);
    for (size_t v = 1; v < found.size(); ++v) EXPECT_LE(found[v] - found[v - 1], 1);
  }
}

std::string refusal(const torch::Tensor& values, int64_t num_values, int64_t num_env) {
  return test::user_error([&] { factor_partition(values, num_values, num_env, "hue"); });
}

TEST(FactorPartition, RefusesTooFewValuesAndUnknownOnes) {
  EXPECT_THAT(refusal(values_of({3, 3, 3}), 3, 4),
              HasSubstr("'hue' has 3 values among the images, fewer than --env_num 4"));
  EXPECT_THAT(refusal(values_of({3, 0, 3}), 3, 3), HasSubstr("2 values"));
  EXPECT_THAT(refusal(torch::tensor({0, -1, 1, -1}, torch::kInt64), 2, 2),
              HasSubstr("'hue': its value is unknown for 2 of 4 images"));
}

}  // namespace
}  // namespace ipirm::partition

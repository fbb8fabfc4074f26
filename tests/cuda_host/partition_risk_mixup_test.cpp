// The whole partition_risk_mixup of CUDA's kernels, run on the CPU by the host header, beside its
// definition in float64.
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "cuda_host/plain_partition_risk_mixup.h"
#include "cuda_host/risk_found.h"
#include "ops/cuda/partition_risk_mixup.cu"

namespace ipirm::ops {
namespace {

Found run(const Batch& batch, const std::vector<float>& weights, int64_t k,
          const PlainMixup& mixup) {
  const cuda::PartitionRiskMixupInputs in{batch.z1.data(),
                                          batch.z2.data(),
                                          weights.data(),
                                          mixup.lam.data(),
                                          mixup.partner.empty() ? nullptr : mixup.partner.data(),
                                          batch.n,
                                          batch.dim,
                                          k,
                                          mixup.temperature,
                                          mixup.irm_weight,
                                          mixup.nonorm};
  Found out(batch.n, k);
  // Scratch memory that nobody has written is NaN.
  std::vector<double> scratch(cuda::partition_risk_mixup_scratch(in) / sizeof(double), NAN);
  EXPECT_EQ(
      cuda::partition_risk_mixup(in, {out.contrastive.data(), out.penalty.data(), out.grad.data()},
                                 scratch.data(), nullptr),
      0);
  return out;
}

enum class Partners { kNone, kPermutation, kAny };

PlainMixup mixup_of(int64_t n, Partners partners, double temperature, double irm_weight,
                    bool nonorm = false) {
  std::mt19937 random(3);
  PlainMixup mixup{{}, {}, temperature, irm_weight, nonorm};
  for (int64_t i = 0; i < n; ++i) mixup.lam.push_back(.5f + float(random() % 1000) / 2001);
  if (partners == Partners::kNone) return mixup;
  mixup.partner.resize(size_t(n));
  std::iota(mixup.partner.begin(), mixup.partner.end(), 0);
  std::shuffle(mixup.partner.begin() + 1, mixup.partner.end(), random);  // one is its own partner
  if (partners == Partners::kAny) {
    for (size_t i = 0; i < mixup.partner.size(); i += 3) mixup.partner[i] = n / 2;
  }
  return mixup;
}

struct Case {
  int64_t n, dim, k;
  Partners partners;
  double temperature, irm_weight;
  bool nonorm = false;
  double norm = 1;
};

void expect_definition(const Case& c) {
  SCOPED_TRACE("n " + std::to_string(c.n) + " K " + std::to_string(c.k) + " T " +
               std::to_string(c.temperature) + " norm " + std::to_string(c.norm) + " partners " +
               std::to_string(static_cast<int>(c.partners)));
  const Batch batch(c.n, c.dim, c.norm);
  const auto weights = random_weights(c.n, c.k);
  const auto mixup = mixup_of(c.n, c.partners, c.temperature, c.irm_weight, c.nonorm);
  const auto found = run(batch, weights, c.k, mixup);
  expect_definition_of(PlainPartitionRiskMixup(batch, mixup), weights, c.k, found);
}

TEST(PartitionRiskMixupOnCudaHost, IsThatOfTheDefinition) {
  using enum Partners;
  for (const Case& c : cases_to_run<Case>({{2, 3, 2, kNone, .5, .7},
                                           {40, 16, 1, kPermutation, .5, .7},
                                           {130, 33, 2, kNone, .2, .5},
                                           {140, 40, 3, kPermutation, .07, .5},
                                           {60, 20, 4, kAny, .5, .5, true},
                                           {50, 20, 5, kNone, .2, .7, true},
                                           {30, 8, 8, kPermutation, .5, .7, true},
                                           {45, 8, 2, kPermutation, .01, .5},
                                           {45, 8, 2, kNone, .01, .5},
                                           {50, 24, 2, kAny, .5, .5, false, 6},
                                           {50, 24, 2, kNone, .1, .5, false, .3},
                                           {40, 24, 2, kPermutation, .5, 0},
                                           {40, 24, 2, kNone, .5, 0}})) {
    expect_definition(c);
  }
}

TEST(PartitionRiskMixupOnCudaHost, EnvironmentsWithoutPairsStayFinite) {
  const Batch batch(20, 8);
  std::vector<float> weights;
  for (int64_t i = 0; i < batch.n; ++i) {  // all samples, none, one
    weights.insert(weights.end(), {1.f, 0.f, i == 7 ? 1.f : 0.f});
  }
  for (const auto partners : {Partners::kNone, Partners::kPermutation}) {
    const auto found = run(batch, weights, 3, mixup_of(batch.n, partners, .5, .7));
    EXPECT_GT(found.contrastive[0], 0);
    EXPECT_EQ(found.contrastive[1], 0);
    EXPECT_EQ(found.penalty[1], 0);
    for (const auto* values : {&found.contrastive, &found.penalty, &found.grad}) {
      for (const float x : *values) EXPECT_TRUE(std::isfinite(x));
    }
  }
}

// The order of a block's threads changes no bit.
TEST(PartitionRiskMixupOnCudaHost, DoesNotDependOnTheOrderOfThreads) {
  const Batch batch(70, 10);
  const auto weights = random_weights(batch.n, 3);
  const auto mixup = mixup_of(batch.n, Partners::kAny, .02, .5);
  cuda_host::set_seed(0);
  const auto expected = run(batch, weights, 3, mixup);
  for (const unsigned seed : cases_to_run<unsigned>({1, 2, 3})) {
    cuda_host::set_seed(seed);
    EXPECT_EQ(run(batch, weights, 3, mixup), expected);
  }
  cuda_host::set_seed(0);
}

// What partition_risk_mixup_launch.h says.
TEST(PartitionRiskMixupOnCudaHost, TakesFewLaunches) {
  const Batch batch(20, 4);
  const auto launches = [&](int64_t k, double irm_weight) {
    const int64_t before = cuda_host::launches();
    run(batch, random_weights(batch.n, k), k, mixup_of(batch.n, Partners::kAny, .5, irm_weight));
    return cuda_host::launches() - before;
  };
  EXPECT_EQ(launches(2, .5), 19);
  EXPECT_EQ(launches(9, .5), 19);
  EXPECT_EQ(launches(2, 0), 17);
}

TEST(PartitionRiskMixupOnCudaHost, RefusesAPartnerThatThereIsNot) {
  const Batch batch(20, 4);
  auto mixup = mixup_of(batch.n, Partners::kPermutation, .5, .5);
  mixup.partner[11] = batch.n;
  EXPECT_THROW(run(batch, random_weights(batch.n, 2), 2, mixup), std::out_of_range);
}

}  // namespace
}  // namespace ipirm::ops

// What the fused kernels promise beside being right: the same bits for any number of threads, the
// same values from every instruction set, defined results in the corners.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdlib>

#include "ipirm/ops/environment_loss.h"
#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"
#include "ops/expectations.h"
#include "ops/operator_inputs.h"
#include "ops/pair_kernels.h"
#include "ops/risk_implementations.h"

namespace ipirm::ops {
namespace {

using testing::relative_error;
using torch::Tensor;

// Results of all three operators on the same random batch, with odd sizes everywhere.
std::vector<Tensor> all_operators(torch::ScalarType dtype, double temperature) {
  torch::manual_seed(11);
  const int64_t n = 331, d = 19, k = 5;
  const auto z1 = unit_rows(n, d, dtype), z2 = unit_rows(n, d, dtype);
  const auto weights = torch::randn({n, k}, torch::kFloat64).softmax(1).to(dtype);
  std::vector<Tensor> out;
  const auto [c, p, g] = partition_risk(z1, z2, weights, temperature, .8 * temperature, .5);
  const auto lam = torch::rand(n, torch::kFloat64).to(dtype);
  const auto [mc, mp, mg] =
      partition_risk_mixup(z1, z2, weights, lam, torch::randperm(n), temperature, .5);
  const auto y1 = z1.clone().requires_grad_(true), y2 = z2.clone().requires_grad_(true);
  const double t = std::max(temperature, .06);  // below, environment_loss is its ATen form
  const auto [ec, ep] =
      environment_loss(y1, y2, torch::randint(0, k, {3, n}, torch::kInt64), k, t, .8 * t);
  const auto grads = torch::autograd::grad({ec.sum() + .3 * ep.sum()}, {y1, y2});
  return {c, p, g, mc, mp, mg, ec.detach(), ep.detach(), grads[0], grads[1]};
}

// In float64 the kernel sets differ in the order of sums and in fused multiply-adds; of the results
// the gradients at T = .02 are the least exact.
constexpr double kOtherSet = 1e-10;

// .5: exponents as they are; .02: relative to their row's largest.
class FusedKernels : public ::testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Temperatures, FusedKernels, ::testing::Values(.5, .02),
                         [](const auto& test) { return test.param == .5 ? "Half" : "Low"; });

TEST_P(FusedKernels, ResultsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = all_operators(torch::kFloat32, GetParam());
  at::set_num_threads(3);
  const auto together = all_operators(torch::kFloat32, GetParam());
  at::set_num_threads(threads);
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(torch::equal(alone[i], together[i])) << i;
}

TEST_P(FusedKernels, InstructionSetsAgree) {
  setenv("IPIRM_CPU_KERNELS", "baseline", 1);
  ASSERT_STREQ(best_pair_kernels<float>().name, "baseline");
  const auto plain = all_operators(torch::kFloat64, GetParam());
  const auto plain32 = all_operators(torch::kFloat32, GetParam());
  for (const auto* set : {avx2_pair_kernels<double>(), avx512_pair_kernels<double>()}) {
    if (set == nullptr) {
      std::printf("a kernel set that this processor lacks is left out\n");
      continue;
    }
    setenv("IPIRM_CPU_KERNELS", set->name, 1);
    ASSERT_STREQ(best_pair_kernels<double>().name, set->name);
    const auto vectors = all_operators(torch::kFloat64, GetParam());
    const auto vectors32 = all_operators(torch::kFloat32, GetParam());
    for (size_t i = 0; i < plain.size(); ++i) {
      EXPECT_LT(relative_error(vectors[i], plain[i]), kOtherSet) << set->name << ", result " << i;
      EXPECT_LT(relative_error(vectors32[i], plain[i]), kFloat32.grad)
          << set->name << ", result " << i;
      EXPECT_LT(relative_error(plain32[i], plain[i]), kFloat32.grad) << "baseline, result " << i;
    }
  }
  unsetenv("IPIRM_CPU_KERNELS");
}

// Penalties and gradients that are 0 where all rows are alike, or whose terms cancel to a few
// digits.
constexpr double kCorner = 1e-9, kPenaltyOfNothing = 1e-14, kGradientOfNothing = 1e-12;

// Each sample an environment of its own, identical features, features of norm 1e-4 and 1e4.
TEST(FusedCorners, AsManyEnvironmentsAsSamplesTiesAndAnyNorm) {
  torch::manual_seed(2);
  const auto z1 = unit_rows(6, 4, torch::kFloat64), z2 = unit_rows(6, 4, torch::kFloat64);
  const auto hard = torch::eye(6, torch::kFloat64),
             soft = torch::randn({6, 6}, torch::kFloat64).softmax(1);
  for (const auto& weights : {soft, .9 * hard + .1 / 6}) {
    for (const double scale : {1e-4, 1., 1e4}) {
      // Logits of 2e8 are themselves exact to 4e-8 only.
      const double tolerance = std::max(kOtherSet, 4.4e-16 * scale * scale);
      for (const bool ties : {false, true}) {
        const auto a = (ties ? torch::ones_like(z1) * .5 : z1) * scale;
        const auto b = (ties ? torch::ones_like(z2) * .5 : z2) * scale;
        const auto [c, p, g] = partition_risk(a, b, weights, .5, .5, .5);
        const auto [rc, rp, rg] = aten::partition_risk(a, b, weights, .5, .5, .5, false, {});
        EXPECT_LT(relative_error(c, rc), tolerance);
        EXPECT_LT((p - rp).abs().max().item<double>(),
                  kCorner * rp.abs().max().item<double>() + kPenaltyOfNothing);
        EXPECT_LT((g - rg).abs().max().item<double>(),
                  kCorner * rg.abs().max().item<double>() + kGradientOfNothing);
      }
    }
  }
  // Weight on one sample alone: no negatives there, no weight elsewhere.
  const auto [c, p, g] = partition_risk(z1, z2, hard, .5, .5, .5);
  EXPECT_TRUE(c.isfinite().all().item<bool>() && p.isfinite().all().item<bool>());
  EXPECT_TRUE(g.isfinite().all().item<bool>());
}

// Rows chosen by an index give what the gathered rows give, to the bit.
TEST(FusedCorners, AnIndexChoosesRows) {
  torch::manual_seed(3);
  const auto z1 = unit_rows(90, 9, torch::kFloat32), z2 = unit_rows(90, 9, torch::kFloat32);
  const auto index = torch::randperm(90).slice(0, 0, 70);
  const auto weights = torch::rand({70, 2});
  for (const double temperature : {.5, .01}) {
    const auto chosen = partition_risk(z1, z2, weights, temperature, .5, 1, false, index);
    const auto gathered = partition_risk(z1.index_select(0, index), z2.index_select(0, index),
                                         weights, temperature, .5, 1);
    EXPECT_TRUE(torch::equal(std::get<0>(chosen), std::get<0>(gathered)));
    EXPECT_TRUE(torch::equal(std::get<1>(chosen), std::get<1>(gathered)));
    EXPECT_TRUE(torch::equal(std::get<2>(chosen), std::get<2>(gathered)));
  }
  EXPECT_THROW(partition_risk(z1, z2, weights, .5, .5, 1, false, index + 40), c10::Error);
}

// A NaN in a feature reaches the results: nobody takes them for good.
TEST(FusedCorners, NaNIsNotLost) {
  auto z = unit_rows(60, 5, torch::kFloat32);
  z[50][2] = std::numeric_limits<float>::quiet_NaN();
  const auto [c, p, g] =
      partition_risk(z, unit_rows(60, 5, torch::kFloat32), torch::rand({60, 2}), .5, .5, 1);
  EXPECT_TRUE(c.isnan().all().item<bool>());
}

}  // namespace
}  // namespace ipirm::ops

// environment_loss and its gradient against autograd of the definition, golden values, finite
// differences and its edge cases, in every implementation.
#include "ipirm/ops/environment_loss.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ops/environment_loss_aten.h"
#include "ops/expectations.h"
#include "ops/implementations.h"
#include "ops/operator_inputs.h"
#include "ops/plain_environment_loss.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

struct Inputs {
  OperatorInputs tensors;
  int64_t num_env;
  Tensor grad_contrastive, grad_penalty;  // (P, K) what arrives from behind
  double temperature = .5, irm_temperature = .5;
};

Inputs loss_inputs(int64_t batch, int64_t d, int64_t partitions, int64_t num_env) {
  const auto tensors = random_inputs(batch, d, num_env, partitions);
  return {tensors, num_env, torch::randn({partitions, num_env}, torch::kFloat64),
          torch::randn({partitions, num_env}, torch::kFloat64)};
}

struct Found {
  Tensor contrastive, penalty, grad_z1, grad_z2;
};

class EnvironmentLoss : public EveryImplementation {
 protected:
  // Losses and gradients, computed in dtype on the implementation's device; results on the CPU.
  static Found found(const Inputs& in, torch::ScalarType dtype = torch::kFloat64) {
    const auto& [name, device, aten] = GetParam();
    const auto moved = [&, where = device](const Tensor& t) { return t.to(where, dtype); };
    auto z1 = moved(in.tensors.z1), z2 = moved(in.tensors.z2);
    const auto dc = moved(in.grad_contrastive), dp = moved(in.grad_penalty);
    const auto environment = in.tensors.environment.to(device);
    const double t = in.temperature, irm_t = in.irm_temperature;
    if (aten) {
      const auto [c, p, state] = aten::environment_loss_forward(z1, z2, environment, in.num_env, t,
                                                                irm_t, aten::kCacheBlocks);
      const auto [g1, g2] = aten::environment_loss_backward(dc, dp, z1, z2, environment, in.num_env,
                                                            t, irm_t, aten::kCacheBlocks);
      return {c, p, g1, g2};
    }
    z1.requires_grad_(true);
    z2.requires_grad_(true);
    const auto [c, p] = environment_loss(z1, z2, environment, in.num_env, t, irm_t);
    const auto grads = torch::autograd::grad({c, p}, {z1, z2}, {dc, dp});
    return {c.detach().cpu(), p.detach().cpu(), grads[0].cpu(), grads[1].cpu()};
  }

  static void expect_equals_the_definition(const Inputs& in) {
    const auto z1 = in.tensors.z1.clone().requires_grad_(true),
               z2 = in.tensors.z2.clone().requires_grad_(true);
    const auto [c, p] = plain_environment_loss(z1, z2, in.tensors.environment, in.num_env,
                                               in.temperature, in.irm_temperature);
    const auto grads =
        torch::autograd::grad({c, p}, {z1, z2}, {in.grad_contrastive, in.grad_penalty});
    expect_close(found(in), {c, p, grads[0], grads[1]}, kOtherWayHard);
  }

  static void expect_close(const Found& found, const Found& expected,
                           const Tolerances& tolerances) {
    const auto& [c, p, g1, g2] = expected;
    ops::expect_close(Risk{found.contrastive, found.penalty, found.grad_z1}, {c, p, g1},
                      tolerances);
    ops::expect_close(found.grad_z2, g2, tolerances.grad);
  }
};
INSTANTIATE_TEST_SUITE_P(Implementations, EnvironmentLoss, ::testing::ValuesIn(implementations()),
                         name_of);

TEST_P(EnvironmentLoss, EqualsAutogradOfTheDefinition) {
  for (const auto& [batch, partitions, num_env] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {6, 1, 2}, {13, 4, 2}, {21, 2, 3}, {32, 3, 4}, {40, 1, 5}}) {
    auto in = loss_inputs(batch, 6, partitions, num_env);
    for (const auto& [t, irm_t] :
         std::vector<std::pair<double, double>>{{.5, .5}, {.2, .5}, {.5, .1}, {2., 1.}}) {
      SCOPED_TRACE(std::to_string(batch) + " samples, T " + std::to_string(t));
      in.temperature = t;
      in.irm_temperature = irm_t;
      expect_equals_the_definition(in);
    }
  }
}

// Enough samples for several blocks of rows.
TEST_P(EnvironmentLoss, BlocksJoinUp) {
  auto in = loss_inputs(150, 8, 2, 3);
  expect_equals_the_definition(in);
  in.temperature = .3;
  expect_equals_the_definition(in);
}

// The golden loss without the whole batch's term: mean contrastive + w * mean penalty, divided by w
// where w > 1.
TEST_P(EnvironmentLoss, Golden) {
  using testing::golden;
  using testing::golden_scalar;
  for (const char* name : {"min_objective_k2", "min_objective_k3", "min_objective_heavy"}) {
    SCOPED_TRACE(name);
    const auto splits = golden(name, "splits");  // (P, N, K)
    const double w = golden_scalar(name, "penalty_weight"), scale = w > 1 ? w : 1;
    const auto each = torch::full({splits.size(0), splits.size(2)},
                                  1. / static_cast<double>(splits.size(0) * splits.size(2) * scale),
                                  torch::kFloat64);
    OperatorInputs tensors;
    tensors.z1 = golden(name, "z1");
    tensors.z2 = golden(name, "z2");
    tensors.environment = splits.argmax(2).index_select(1, golden(name, "index"));
    const auto result =
        found({tensors, splits.size(2), each, each * w, golden_scalar(name, "temperature"),
               golden_scalar(name, "irm_temp")});
    ops::expect_close(result.contrastive, golden(name, "contrastive"), kGolden.contrastive);
    ops::expect_close(result.penalty, golden(name, "penalty"), kGolden.penalty);
    // With keep_cont the golden gradient holds the whole batch's term too.
    if (golden_scalar(name, "keep_cont") != 0) continue;
    ops::expect_close(result.grad_z1, golden(name, "grad_z1"), kGolden.grad);
    ops::expect_close(result.grad_z2, golden(name, "grad_z2"), kGolden.grad);
  }
}

TEST_P(EnvironmentLoss, GradientIsThatOfFiniteDifferences) {
  auto in = loss_inputs(6, 3, 1, 2);
  in.tensors.environment = torch::tensor({{0, 1, 0, 0, 1, 0}}, torch::kInt64);
  in.irm_temperature = .4;
  const auto value_at = [&](Tensor OperatorInputs::*which) {
    return [&, which](const Tensor& z) {
      auto moved = in;
      moved.tensors.*which = z;
      const auto result = found(moved);
      return (result.contrastive * in.grad_contrastive + result.penalty * in.grad_penalty)
          .sum()
          .item<double>();
    };
  };
  const auto result = found(in);
  expect_gradient_is_that_of_differences(value_at(&OperatorInputs::z1), in.tensors.z1,
                                         result.grad_z1, kDifferences);
  expect_gradient_is_that_of_differences(value_at(&OperatorInputs::z2), in.tensors.z2,
                                         result.grad_z2, kDifferences);
}

TEST_P(EnvironmentLoss, OneSampleOrNoneCountsAsZero) {
  // The fused kernels take the logarithm of an exponential there, ATen that of a sum of one term.
  const bool fused = GetParam().device.is_cpu() && !GetParam().aten;
  const double rounding = fused ? 1e-15 : 0;
  for (const auto dtype : {torch::kFloat64, torch::kFloat32}) {
    auto in = loss_inputs(5, 4, 2, 3);
    in.irm_temperature = .3;
    in.tensors.environment = torch::tensor({{0, 0, 1, 0, 0}, {2, 2, 2, 2, 2}}, torch::kInt64);
    const auto both = found(in, dtype);
    for (const auto& [p, e] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {0, 2}, {1, 0}, {1, 1}}) {
      EXPECT_NEAR(both.contrastive[p][e].item<double>(), 0, rounding);
      EXPECT_NEAR(both.penalty[p][e].item<double>(), 0, rounding * rounding);
    }
    // Without the second partition, the third sample has no part in any term.
    in.grad_contrastive[1] = 0;
    in.grad_penalty[1] = 0;
    const auto first = found(in, dtype);
    EXPECT_EQ(first.grad_z1[2].abs().max().item<double>(), 0);
    EXPECT_EQ(first.grad_z2[2].abs().max().item<double>(), 0);
    if (dtype == torch::kFloat64) expect_equals_the_definition(in);
  }
}

TEST_P(EnvironmentLoss, ExtremeTemperaturesStayFinite) {
  auto in = loss_inputs(32, 8, 2, 3);
  // Both types start from the same numbers.
  in.tensors = in.tensors.to(torch::kFloat32).to(torch::kFloat64);
  for (auto* tensor : {&in.grad_contrastive, &in.grad_penalty}) {
    *tensor = tensor->to(torch::kFloat32).to(torch::kFloat64);
  }
  for (const double t : {.01, .05, 1., 10.}) {
    for (const double irm_t : {.01, t, 10.}) {
      in.temperature = t;
      in.irm_temperature = irm_t;
      expect_close(found(in, torch::kFloat32), found(in), kFloat32);
    }
  }
}

// The CPU chooses between the fused kernels and the ATen form by the lengths of the rows, in both
// passes alike: a NaN, and rows so long that their exponentials would overflow.
TEST_P(EnvironmentLoss, RowsOfAnyLength) {
  auto in = loss_inputs(12, 4, 2, 2);
  for (const double length : {.1, 3., 3.4, 20.}) {
    SCOPED_TRACE(length);
    auto scaled = in;
    scaled.tensors.z1 = in.tensors.z1 * length;
    scaled.tensors.z2 = in.tensors.z2 * length;
    expect_equals_the_definition(scaled);
  }
  in.tensors.z2[11][3] = std::numeric_limits<double>::quiet_NaN();
  const auto result = found(in);
  EXPECT_TRUE(result.contrastive.isnan().any().item<bool>());
  EXPECT_TRUE(result.grad_z1.isnan().any().item<bool>());
}

TEST(EnvironmentLossChecks, RefusesWhatDoesNotFit) {
  const auto z1 = unit_rows(5, 4), z2 = unit_rows(5, 4);
  EXPECT_THROW(environment_loss(z1, z2, torch::zeros({1, 4}, torch::kInt64), 2, .5, .5),
               c10::Error);
  EXPECT_THROW(environment_loss(z1, z2, torch::zeros({1, 5}), 2, .5, .5), c10::Error);
  EXPECT_THROW(environment_loss(z1, z2, torch::zeros({1, 5}, torch::kInt64), 2, 0, .5), c10::Error);
}

}  // namespace
}  // namespace ipirm::ops

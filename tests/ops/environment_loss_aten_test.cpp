// The closed form of environment_loss and of its gradient against autograd of the definition,
// golden values, finite differences and its edge cases.
#include "ops/environment_loss_aten.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ops/plain_environment_loss.h"
#include "support/golden.h"

namespace ipirm::ops::aten {
namespace {

using torch::Tensor;

struct Inputs {
  Tensor z1, z2, environment;
  int64_t num_env;
  Tensor grad_contrastive, grad_penalty;  // what arrives from behind
};

Inputs random_inputs(int64_t batch, int64_t d, int64_t partitions, int64_t num_env) {
  torch::manual_seed(batch * 1000 + d * 100 + partitions * 10 + num_env);
  const auto unit = [&] {
    return torch::nn::functional::normalize(torch::randn({batch, d}, torch::kFloat64));
  };
  return {unit(),
          unit(),
          torch::randint(0, num_env, {partitions, batch}, torch::kInt64),
          num_env,
          torch::randn({partitions, num_env}, torch::kFloat64),
          torch::randn({partitions, num_env}, torch::kFloat64)};
}

struct Found {
  Tensor contrastive, penalty, grad_z1, grad_z2;
};

Found closed_form(const Inputs& in, double t, double irm_t,
                  torch::ScalarType dtype = torch::kFloat64) {
  const auto z1 = in.z1.to(dtype), z2 = in.z2.to(dtype);
  const auto [c, p, state] =
      environment_loss_forward(z1, z2, in.environment, in.num_env, t, irm_t, kCacheBlocks);
  const auto [g1, g2] =
      environment_loss_backward(in.grad_contrastive.to(dtype), in.grad_penalty.to(dtype), z1, z2,
                                in.environment, in.num_env, t, irm_t, kCacheBlocks);
  return {c, p, g1, g2};
}

void expect_equals_the_definition(const Inputs& in, double t, double irm_t) {
  const auto z1 = in.z1.clone().requires_grad_(true), z2 = in.z2.clone().requires_grad_(true);
  const auto plain = plain_environment_loss(z1, z2, in.environment, in.num_env, t, irm_t);
  const auto loss =
      (plain.contrastive * in.grad_contrastive + plain.penalty * in.grad_penalty).sum();
  const auto grads = torch::autograd::grad({loss}, {z1, z2});
  const auto found = closed_form(in, t, irm_t);
  EXPECT_LT(testing::relative_error(found.contrastive, plain.contrastive), 1e-11);
  EXPECT_LT(testing::relative_error(found.penalty, plain.penalty), 1e-11);
  EXPECT_LT(testing::relative_error(found.grad_z1, grads[0]), 1e-11);
  EXPECT_LT(testing::relative_error(found.grad_z2, grads[1]), 1e-11);
}

TEST(EnvironmentLossAten, EqualsAutogradOfTheDefinition) {
  for (const auto& [batch, partitions, num_env] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {6, 1, 2}, {13, 4, 2}, {21, 2, 3}, {32, 3, 4}, {40, 1, 5}}) {
    const auto in = random_inputs(batch, 6, partitions, num_env);
    for (const auto& [t, irm_t] :
         std::vector<std::pair<double, double>>{{.5, .5}, {.2, .5}, {.5, .1}, {2., 1.}}) {
      SCOPED_TRACE(std::to_string(batch) + " samples, T " + std::to_string(t));
      expect_equals_the_definition(in, t, irm_t);
    }
  }
}

// Enough samples for several blocks of rows.
TEST(EnvironmentLossAten, BlocksJoinUp) {
  expect_equals_the_definition(random_inputs(150, 8, 2, 3), .5, .5);
  expect_equals_the_definition(random_inputs(150, 8, 2, 3), .3, .5);
}

class EnvironmentLossAtenCase : public ::testing::TestWithParam<std::string> {};

// The golden loss without the whole batch's term: mean contrastive + w * mean penalty, divided by w
// where w > 1.
TEST_P(EnvironmentLossAtenCase, Golden) {
  const auto& name = GetParam();
  const auto splits = testing::golden(name, "splits");  // (P, N, K)
  Inputs in{testing::golden(name, "z1"),
            testing::golden(name, "z2"),
            splits.argmax(2).index_select(1, testing::golden(name, "index")),
            splits.size(2),
            torch::zeros({}),
            torch::zeros({})};
  const double w = testing::golden_scalar(name, "penalty_weight"), scale = w > 1 ? w : 1;
  const auto each = torch::full({splits.size(0), splits.size(2)},
                                1. / static_cast<double>(splits.size(0) * splits.size(2) * scale),
                                torch::kFloat64);
  in.grad_contrastive = each;
  in.grad_penalty = each * w;
  const auto found = closed_form(in, testing::golden_scalar(name, "temperature"),
                                 testing::golden_scalar(name, "irm_temp"));
  EXPECT_LT(testing::relative_error(found.contrastive, testing::golden(name, "contrastive")), 1e-9);
  EXPECT_LT(testing::relative_error(found.penalty, testing::golden(name, "penalty")), 1e-9);
  if (testing::golden_scalar(name, "keep_cont") != 0) return;  // its gradient holds another term
  EXPECT_LT(testing::relative_error(found.grad_z1, testing::golden(name, "grad_z1")), 1e-9);
  EXPECT_LT(testing::relative_error(found.grad_z2, testing::golden(name, "grad_z2")), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(EnvironmentLossAten, EnvironmentLossAtenCase,
                         ::testing::Values("min_objective_k2", "min_objective_k3",
                                           "min_objective_heavy"),
                         [](const auto& test) { return test.param; });

TEST(EnvironmentLossAten, GradientIsThatOfFiniteDifferences) {
  auto in = random_inputs(6, 3, 1, 2);
  in.environment = torch::tensor({{0, 1, 0, 0, 1, 0}}, torch::kInt64);
  const auto value = [&](const Tensor& z2) {
    const auto [c, p, state] =
        environment_loss_forward(in.z1, z2, in.environment, 2, .5, .4, kCacheBlocks);
    return (c * in.grad_contrastive + p * in.grad_penalty).sum().item<double>();
  };
  const auto grad = closed_form(in, .5, .4).grad_z2;
  const double step = 1e-5;
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      auto up = in.z2.clone(), down = in.z2.clone();
      up[i][k] += step;
      down[i][k] -= step;
      EXPECT_NEAR((value(up) - value(down)) / (2 * step), grad[i][k].item<double>(), 1e-8);
    }
  }
}

TEST(EnvironmentLossAten, OneSampleOrNoneCountsAsZero) {
  for (const auto dtype : {torch::kFloat64, torch::kFloat32}) {
    auto in = random_inputs(5, 4, 2, 3);
    in.environment = torch::tensor({{0, 0, 1, 0, 0}, {2, 2, 2, 2, 2}}, torch::kInt64);
    const auto found = closed_form(in, .5, .3, dtype);
    for (const auto& [p, e] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {0, 2}, {1, 0}, {1, 1}}) {
      EXPECT_EQ(found.contrastive[p][e].item<double>(), 0);
      EXPECT_EQ(found.penalty[p][e].item<double>(), 0);
    }
    // Without the second partition, the third sample has no part in any term.
    in.grad_contrastive[1] = 0;
    in.grad_penalty[1] = 0;
    const auto first = closed_form(in, .5, .3, dtype);
    EXPECT_EQ(first.grad_z1[2].abs().max().item<double>(), 0);
    EXPECT_EQ(first.grad_z2[2].abs().max().item<double>(), 0);
    if (dtype == torch::kFloat64) expect_equals_the_definition(in, .5, .3);
  }
}

TEST(EnvironmentLossAten, ExtremeTemperaturesStayFinite) {
  for (const double t : {.01, .05, 1., 10.}) {
    for (const double irm_t : {.01, t, 10.}) {
      const auto in = random_inputs(32, 8, 2, 3);
      const auto found = closed_form(in, t, irm_t, torch::kFloat32);
      auto rounded = in;
      for (auto* tensor :
           {&rounded.z1, &rounded.z2, &rounded.grad_contrastive, &rounded.grad_penalty}) {
        *tensor = tensor->to(torch::kFloat32).to(torch::kFloat64);
      }
      const auto exact = closed_form(rounded, t, irm_t);
      EXPECT_LT(testing::relative_error(found.contrastive, exact.contrastive), 1e-5);
      EXPECT_LT(testing::relative_error(found.penalty, exact.penalty), 1e-4);
      EXPECT_LT(testing::relative_error(found.grad_z1, exact.grad_z1), 3e-4);
      EXPECT_LT(testing::relative_error(found.grad_z2, exact.grad_z2), 3e-4);
    }
  }
}

}  // namespace
}  // namespace ipirm::ops::aten

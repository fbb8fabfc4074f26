// environment_loss against the definition by gathering, golden values, finite differences and its
// edge cases.
#include "ipirm/ops/environment_loss.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ops/plain_environment_loss.h"
#include "support/golden.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

struct Inputs {
  Tensor z1, z2;
};

Inputs random_inputs(int64_t batch, int64_t d) {
  torch::manual_seed(batch);
  const auto unit = [&] {
    return torch::nn::functional::normalize(torch::randn({batch, d}, torch::kFloat64));
  };
  return {unit(), unit()};
}

TEST(EnvironmentLoss, EqualsTheDefinitionOnEachEnvironmentAlone) {
  const auto in = random_inputs(14, 6);
  const auto environment = torch::randint(0, 3, {4, 14}, torch::kInt64);
  const auto z1 = in.z1.clone().requires_grad_(true), z2 = in.z2.clone().requires_grad_(true);
  const auto [contrastive, penalty] = environment_loss(z1, z2, environment, 3, .2, .5);
  const auto grads = torch::autograd::grad({contrastive.sum() + .3 * penalty.sum()}, {z1, z2});

  const auto y1 = in.z1.clone().requires_grad_(true), y2 = in.z2.clone().requires_grad_(true);
  const auto plain = plain_environment_loss(y1, y2, environment, 3, .2, .5);
  EXPECT_LT((contrastive - plain.contrastive).abs().max().item<double>(), 1e-12);
  EXPECT_LT((penalty - plain.penalty).abs().max().item<double>(), 1e-12);
  const auto expected =
      torch::autograd::grad({plain.contrastive.sum() + .3 * plain.penalty.sum()}, {y1, y2});
  EXPECT_LT(testing::relative_error(grads[0], expected[0]), 1e-11);
  EXPECT_LT(testing::relative_error(grads[1], expected[1]), 1e-11);
}

TEST(EnvironmentLoss, GradientIsThatOfFiniteDifferences) {
  const auto in = random_inputs(6, 3);
  const auto environment = torch::tensor({{0, 1, 0, 0, 1, 0}}, torch::kInt64);
  const auto value = [&](const Tensor& z1) {
    const auto [c, p] = environment_loss(z1, in.z2, environment, 2, .5, .4);
    return c.sum() + p.sum();
  };
  const auto z1 = in.z1.clone().requires_grad_(true);
  const auto grad = torch::autograd::grad({value(z1)}, {z1})[0];
  const double step = 1e-5;
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      auto up = in.z1.clone(), down = in.z1.clone();
      up[i][k] += step;
      down[i][k] -= step;
      EXPECT_NEAR((value(up) - value(down)).item<double>() / (2 * step), grad[i][k].item<double>(),
                  1e-8);
    }
  }
}

TEST(EnvironmentLoss, OneSampleOrNoneCountsAsZero) {
  const auto in = random_inputs(5, 4);
  const auto z1 = in.z1.clone().requires_grad_(true);
  const auto environment =
      torch::tensor({{0, 0, 1, 0, 0}}, torch::kInt64);  // one sample in 1, none in 2
  const auto [contrastive, penalty] = environment_loss(z1, in.z2, environment, 3, .5, .5);
  for (const int64_t e : {1, 2}) {
    EXPECT_NEAR(contrastive[0][e].item<double>(), 0, 1e-15);
    EXPECT_NEAR(penalty[0][e].item<double>(), 0, 1e-30);
  }
  const auto grad = torch::autograd::grad({contrastive.sum() + penalty.sum()}, {z1})[0];
  EXPECT_TRUE(grad.isfinite().all().item<bool>());
  EXPECT_NEAR(grad[2].abs().max().item<double>(), 0, 1e-15);
}

TEST(EnvironmentLoss, RefusesWhatDoesNotFit) {
  const auto in = random_inputs(5, 4);
  EXPECT_THROW(environment_loss(in.z1, in.z2, torch::zeros({1, 4}, torch::kInt64), 2, .5, .5),
               c10::Error);
  EXPECT_THROW(environment_loss(in.z1, in.z2, torch::zeros({1, 5}), 2, .5, .5), c10::Error);
  EXPECT_THROW(environment_loss(in.z1, in.z2, torch::zeros({1, 5}, torch::kInt64), 2, 0, .5),
               c10::Error);
}

}  // namespace
}  // namespace ipirm::ops

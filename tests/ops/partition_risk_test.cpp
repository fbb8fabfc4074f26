// partition_risk against golden values, finite differences, a plain autograd form and its
// symmetries, in every implementation.
#include "ipirm/ops/partition_risk.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "ops/expectations.h"
#include "ops/implementations.h"
#include "ops/operator_inputs.h"
#include "ops/plain_risk.h"
#include "ops/risk_implementations.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

// What the operator takes beside tensors.
struct Settings {
  double temperature = .5, irm_temperature = .5, irm_weight = 1;
  bool nonorm = false;
};

class PartitionRisk : public EveryImplementation {
 protected:
  // On the implementation's device; results on the CPU.
  static Risk risk(const OperatorInputs& inputs, const Settings& settings = {}) {
    const auto& [name, device, aten] = GetParam();
    const auto in = inputs.to(device);
    const auto run = aten ? aten::partition_risk : partition_risk;
    const auto [contrastive, penalty, grad] =
        run(in.z1, in.z2, in.weights, settings.temperature, settings.irm_temperature,
            settings.irm_weight, settings.nonorm, std::nullopt);
    return {contrastive.cpu(), penalty.cpu(), grad.cpu()};
  }
};
INSTANTIATE_TEST_SUITE_P(Implementations, PartitionRisk, ::testing::ValuesIn(implementations()),
                         name_of);

// The closed form equals automatic differentiation of the definition (METHOD 5), for any K, T, T'
// and norm.
TEST_P(PartitionRisk, EqualsAutogradOfTheDefinition) {
  for (const auto& [n, k, settings] :
       std::vector<std::tuple<int64_t, int64_t, Settings>>{{2, 2, {.5, .5, .7, false}},
                                                           {7, 2, {.5, .5, .7, false}},
                                                           {9, 3, {.2, .5, .7, false}},
                                                           {12, 4, {.5, .2, .7, true}},
                                                           {5, 5, {.5, .5, .7, true}},
                                                           {16, 8, {1., .7, .7, false}}}) {
    SCOPED_TRACE(std::to_string(n) + " samples, " + std::to_string(k) + " environments");
    const auto in = random_inputs(n, 6, k);
    const auto [contrastive, penalty, grad] =
        plain_risk(in.z1, in.z2, in.weights, settings.temperature, settings.irm_temperature,
                   settings.irm_weight, settings.nonorm);
    expect_close(risk(in, settings), {contrastive, penalty, grad}, kOtherWay);
  }
}

TEST_P(PartitionRisk, GradientIsThatOfFiniteDifferences) {
  const auto in = random_inputs(6, 4, 3);
  for (const Settings& settings : {Settings{.3, .5, .9}, Settings{.4, .4, .9, true}}) {
    const auto value = [&](const Tensor& weights) {
      auto moved = in;
      moved.weights = weights;
      const auto found = risk(moved, settings);
      return (found.contrastive.mean() + settings.irm_weight * found.penalty.mean()).item<double>();
    };
    expect_gradient_is_that_of_differences(value, in.weights, risk(in, settings).grad,
                                           kSteepDifferences);
  }
}

TEST_P(PartitionRisk, EqualWeightsGiveInfoNce) {
  auto in = random_inputs(11, 5, 2);
  in.weights = torch::full({11, 2}, .5, torch::kFloat64);
  const auto z = torch::cat({in.z1, in.z2});
  auto l = z.mm(z.t()) / .5;
  l.fill_diagonal_(-std::numeric_limits<double>::infinity());
  const auto expected = (l.logsumexp(1) - (in.z1 * in.z2).sum(1).repeat(2) / .5).mean();
  expect_close(risk(in).contrastive, expected.expand({2}), kRenamed.contrastive);
}

TEST_P(PartitionRisk, PermutingEnvironmentsPermutesResults) {
  const auto in = random_inputs(10, 5, 3);
  const auto order = torch::tensor({2, 0, 1});
  auto permuted = in;
  permuted.weights = in.weights.index_select(1, order);
  const auto found = risk(in);
  expect_close(risk(permuted),
               {found.contrastive.index_select(0, order), found.penalty.index_select(0, order),
                found.grad.index_select(1, order)},
               kRenamed);
}

TEST_P(PartitionRisk, ScalingAWeightColumnChangesNothing) {
  const auto in = random_inputs(10, 5, 2);
  const auto scale = torch::tensor({3., .01}, torch::kFloat64);
  auto scaled = in;
  scaled.weights = in.weights * scale;
  auto found = risk(scaled);
  found.grad = found.grad * scale;
  expect_close(found, risk(in), kOtherWay);
}

TEST_P(PartitionRisk, PermutingSamplesPermutesTheContrastiveGradient) {
  const auto in = random_inputs(10, 5, 2);
  const auto order = torch::randperm(10);
  const auto reordered = [&](const Tensor& t) { return t.index_select(0, order); };
  auto permuted = in;
  for (auto* tensor : {&permuted.z1, &permuted.z2, &permuted.weights}) {
    *tensor = reordered(*tensor);
  }
  const Settings contrastive_alone{.5, .5, 0};
  expect_close(risk(permuted, contrastive_alone).grad, reordered(risk(in, contrastive_alone).grad),
               kRenamed.grad);
}

TEST_P(PartitionRisk, AnEnvironmentWithoutWeightHasNoRisk) {
  auto in = random_inputs(8, 5, 2);
  const auto ones = torch::ones(8, torch::kFloat64);
  in.weights = torch::stack({ones, torch::zeros_like(ones)}, 1);
  const auto found = risk(in);
  expect_finite(found);
  EXPECT_EQ(found.contrastive[1].item<double>(), 0);
  EXPECT_EQ(found.penalty[1].item<double>(), 0);
  EXPECT_GT(found.contrastive[0].item<double>(), 0);
}

TEST_P(PartitionRisk, ExtremeTemperaturesStayFinite) {
  const auto in = random_inputs(32, 8, 2).to(torch::kFloat32);
  for (const double t : {.01, 10.}) {
    const Settings settings{t, t, .5};
    expect_close(risk(in, settings), risk(in.to(torch::kFloat64), settings), kFloat32);
  }
}

// 3,000 samples need several blocks of rows: the result is that of one block (float64 on the same
// inputs).
TEST_P(PartitionRisk, BlocksJoinUp) {
  const auto in = random_inputs(3000, 8, 2);
  const Settings settings{.5, .5, .5};
  expect_close(risk(in.to(torch::kFloat32), settings), risk(in, settings), kFloat32);
}

TEST(PartitionRiskChecks, RefusesWhatDoesNotFit) {
  const auto good = random_inputs(4, 3, 2);
  const auto refuses = [&](auto change) {
    auto in = good;
    Settings settings;
    change(in, settings);
    EXPECT_THROW(partition_risk(in.z1, in.z2, in.weights, settings.temperature,
                                settings.irm_temperature, settings.irm_weight),
                 c10::Error);
  };
  refuses([](auto& in, auto&) { in.z2 = in.z2.slice(0, 0, 3); });
  refuses([](auto& in, auto&) { in.weights = in.weights.slice(0, 0, 3); });
  refuses([](auto& in, auto&) { in.weights = in.weights.to(torch::kFloat32); });
  refuses([](auto&, auto& settings) { settings.temperature = 0; });
  refuses([](auto&, auto& settings) { settings.irm_weight = -1; });
  refuses([](auto& in, auto&) {
    for (auto* tensor : {&in.z1, &in.z2, &in.weights}) *tensor = tensor->slice(0, 0, 1);
  });
}

}  // namespace
}  // namespace ipirm::ops

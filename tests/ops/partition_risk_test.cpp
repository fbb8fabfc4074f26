// partition_risk against golden values, finite differences, a plain autograd form and its
// symmetries.
#include "ipirm/ops/partition_risk.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ops/partition_risk_aten.h"
#include "ops/plain_risk.h"
#include "support/golden.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

using Result = std::tuple<Tensor, Tensor, Tensor>;
Result with_aten(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
                 double irm_temperature, double irm_weight, bool nonorm) {
  return aten::partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm,
                              {});
}
Result fused(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
             double irm_temperature, double irm_weight, bool nonorm) {
  return partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm);
}

// The fused kernel and the ATen form it is measured by.
struct Implementation {
  const char* name;
  Result (*risk)(const Tensor&, const Tensor&, const Tensor&, double, double, double, bool);
};
class PartitionRisk : public ::testing::TestWithParam<Implementation> {
 protected:
  Result partition_risk(const Tensor& z1, const Tensor& z2, const Tensor& weights,
                        double temperature, double irm_temperature, double irm_weight,
                        bool nonorm = false) const {
    return GetParam().risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm);
  }
};
INSTANTIATE_TEST_SUITE_P(Implementations, PartitionRisk,
                         ::testing::Values(Implementation{"Fused", fused},
                                           Implementation{"Aten", with_aten}),
                         [](const auto& test) { return test.param.name; });

struct Inputs {
  Tensor z1, z2, weights;
};

Inputs random_inputs(int64_t n, int64_t d, int64_t k, torch::ScalarType dtype = torch::kFloat64) {
  torch::manual_seed(n * 100 + d * 10 + k);
  const auto unit = [&] {
    return torch::nn::functional::normalize(torch::randn({n, d}, torch::kFloat64)).to(dtype);
  };
  return {unit(), unit(), torch::randn({n, k}, torch::kFloat64).softmax(1).to(dtype)};
}

void expect_close(const Tensor& found, const Tensor& expected, double tolerance) {
  EXPECT_LT(testing::relative_error(found, expected), tolerance);
}

// The closed form equals automatic differentiation of the definition (METHOD 5), for any K, T, T'
// and norm.
TEST_P(PartitionRisk, EqualsAutogradOfTheDefinition) {
  for (const auto& [n, k, t, irm_t, nonorm] :
       std::vector<std::tuple<int64_t, int64_t, double, double, bool>>{{2, 2, .5, .5, false},
                                                                       {7, 2, .5, .5, false},
                                                                       {9, 3, .2, .5, false},
                                                                       {12, 4, .5, .2, true},
                                                                       {5, 5, .5, .5, true},
                                                                       {16, 8, 1., .7, false}}) {
    const auto in = random_inputs(n, 6, k);
    const auto expected = plain_risk(in.z1, in.z2, in.weights, t, irm_t, .7, nonorm);
    const auto [contrastive, penalty, grad] =
        partition_risk(in.z1, in.z2, in.weights, t, irm_t, .7, nonorm);
    expect_close(contrastive, expected.contrastive, 1e-12);
    expect_close(penalty, expected.penalty, 1e-11);
    expect_close(grad, expected.grad, 1e-10);
  }
}

TEST_P(PartitionRisk, GradientIsThatOfFiniteDifferences) {
  const auto in = random_inputs(6, 4, 3);
  const auto value = [&](const Tensor& weights) {
    const auto [c, p, g] = partition_risk(in.z1, in.z2, weights, .3, .5, .9, false);
    return (c.mean() + .9 * p.mean()).item<double>();
  };
  const auto grad = std::get<2>(partition_risk(in.z1, in.z2, in.weights, .3, .5, .9, false));
  const double step = 1e-5;
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t e = 0; e < 3; ++e) {
      auto up = in.weights.clone(), down = in.weights.clone();
      up[i][e] += step;
      down[i][e] -= step;
      EXPECT_NEAR((value(up) - value(down)) / (2 * step), grad[i][e].item<double>(), 1e-7);
    }
  }
}

TEST_P(PartitionRisk, EqualWeightsGiveInfoNce) {
  const auto in = random_inputs(11, 5, 2);
  const auto weights = torch::full({11, 2}, .5, torch::kFloat64);
  const auto contrastive = std::get<0>(partition_risk(in.z1, in.z2, weights, .5, .5, 1));
  auto z = torch::cat({in.z1, in.z2});
  auto l = z.mm(z.t()) / .5;
  l.fill_diagonal_(-std::numeric_limits<double>::infinity());
  const auto expected = (l.logsumexp(1) - (in.z1 * in.z2).sum(1).repeat(2) / .5).mean();
  expect_close(contrastive, expected.expand({2}), 1e-13);
}

TEST_P(PartitionRisk, PermutingEnvironmentsPermutesResults) {
  const auto in = random_inputs(10, 5, 3);
  const auto order = torch::tensor({2, 0, 1});
  const auto [c, p, g] = partition_risk(in.z1, in.z2, in.weights, .5, .5, 1);
  const auto [c2, p2, g2] =
      partition_risk(in.z1, in.z2, in.weights.index_select(1, order), .5, .5, 1);
  expect_close(c2, c.index_select(0, order), 1e-13);
  expect_close(p2, p.index_select(0, order), 1e-13);
  expect_close(g2, g.index_select(1, order), 1e-12);
}

TEST_P(PartitionRisk, ScalingAWeightColumnChangesNothing) {
  const auto in = random_inputs(10, 5, 2);
  const auto scale = torch::tensor({3., .01}, torch::kFloat64);
  const auto [c, p, g] = partition_risk(in.z1, in.z2, in.weights, .5, .5, 1);
  const auto [c2, p2, g2] = partition_risk(in.z1, in.z2, in.weights * scale, .5, .5, 1);
  expect_close(c2, c, 1e-12);
  expect_close(p2, p, 1e-11);
  expect_close(g2 * scale, g, 1e-10);
}

TEST_P(PartitionRisk, PermutingSamplesPermutesTheContrastiveGradient) {
  const auto in = random_inputs(10, 5, 2);
  const auto order = torch::randperm(10);
  const auto at = [&](const Tensor& t) { return t.index_select(0, order); };
  const auto grad = std::get<2>(partition_risk(in.z1, in.z2, in.weights, .5, .5, 0));
  expect_close(std::get<2>(partition_risk(at(in.z1), at(in.z2), at(in.weights), .5, .5, 0)),
               at(grad), 1e-12);
}

TEST_P(PartitionRisk, AnEnvironmentWithoutWeightHasNoRisk) {
  auto in = random_inputs(8, 5, 2);
  in.weights = torch::stack({torch::ones(8, torch::kFloat64), torch::zeros(8, torch::kFloat64)}, 1);
  const auto [c, p, g] = partition_risk(in.z1, in.z2, in.weights, .5, .5, 1);
  EXPECT_EQ(c[1].item<double>(), 0);
  EXPECT_EQ(p[1].item<double>(), 0);
  EXPECT_TRUE(g.isfinite().all().item<bool>());
  EXPECT_GT(c[0].item<double>(), 0);
}

TEST_P(PartitionRisk, ExtremeTemperaturesStayFinite) {
  const auto in = random_inputs(32, 8, 2, torch::kFloat32);
  for (const double t : {.01, 10.}) {
    const auto [c, p, g] = partition_risk(in.z1, in.z2, in.weights, t, t, .5);
    const auto [c64, p64, g64] =
        partition_risk(in.z1.to(torch::kFloat64), in.z2.to(torch::kFloat64),
                       in.weights.to(torch::kFloat64), t, t, .5);
    expect_close(c, c64, 1e-5);
    expect_close(p, p64, 1e-4);
    expect_close(g, g64, 3e-4);
  }
}

// 3,000 samples need several blocks of rows: the result is that of one block (float64 on the same
// inputs).
TEST_P(PartitionRisk, BlocksJoinUp) {
  const auto in = random_inputs(3000, 8, 2);
  const auto [c, p, g] = partition_risk(in.z1.to(torch::kFloat32), in.z2.to(torch::kFloat32),
                                        in.weights.to(torch::kFloat32), .5, .5, .5);
  const auto [c64, p64, g64] = partition_risk(in.z1, in.z2, in.weights, .5, .5, .5);
  expect_close(c, c64, 1e-5);
  expect_close(p, p64, 1e-4);
  expect_close(g, g64, 3e-4);
}

TEST(PartitionRiskChecks, RefusesWhatDoesNotFit) {
  const auto in = random_inputs(4, 3, 2);
  EXPECT_THROW(partition_risk(in.z1, in.z2.slice(0, 0, 3), in.weights, .5, .5, 1), c10::Error);
  EXPECT_THROW(partition_risk(in.z1, in.z2, in.weights.slice(0, 0, 3), .5, .5, 1), c10::Error);
  EXPECT_THROW(partition_risk(in.z1, in.z2, in.weights.to(torch::kFloat32), .5, .5, 1), c10::Error);
  EXPECT_THROW(partition_risk(in.z1, in.z2, in.weights, 0, .5, 1), c10::Error);
  EXPECT_THROW(partition_risk(in.z1, in.z2, in.weights, .5, .5, -1), c10::Error);
  EXPECT_THROW(partition_risk(in.z1.slice(0, 0, 1), in.z2.slice(0, 0, 1), in.weights.slice(0, 0, 1),
                              .5, .5, 1),
               c10::Error);
}

}  // namespace
}  // namespace ipirm::ops

// InfoNCE, the baselines and the minimization objective against golden values.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/functional/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "ipirm/loss/info_nce.h"
#include "ipirm/loss/minimize_objective.h"
#include "ops/plain_risk.h"
#include "support/golden.h"

namespace ipirm::loss {
namespace {

using testing::golden;
using testing::golden_scalar;
using testing::relative_error;

TEST(InfoNce, Golden) {
  const auto z1 = golden("info_nce", "z1"), z2 = golden("info_nce", "z2");
  const double t = golden_scalar("info_nce", "temperature");
  EXPECT_NEAR(info_nce(z1, z2, t).item<double>() / golden_scalar("info_nce", "loss"), 1, 1e-10);
  // The order of positions that the penalty is defined by (METHOD 4), as the test oracle of ops
  // writes it.
  const auto z = torch::cat({z1, z2});
  EXPECT_LT(relative_error((z.mm(z.t()) / t).gather(1, ops::position_columns(z1.size(0))),
                           golden("info_nce", "logits")),
            1e-10);
}

TEST(Baseline, Golden) {
  for (const std::string name : {"baseline", "baseline_debiased"}) {
    LossOptions options;
    options.temperature = golden_scalar(name, "temperature");
    options.tau_plus = golden_scalar(name, "tau_plus");
    options.debiased = golden_scalar(name, "debiased") != 0;
    const auto terms = baseline_objective(golden(name, "z1"), golden(name, "z2"), options);
    EXPECT_NEAR(terms.loss.item<double>() / golden_scalar(name, "loss"), 1, 1e-10) << name;
  }
}

TEST(DebiasedInfoNce, FloorOfTheNegativesHolds) {
  // Opposite pairs: the positives' share outweighs the negatives, and the estimate Ng would be
  // below zero.
  const auto z = torch::tensor({{1., 0.}, {-1., 0.}}, torch::kFloat64);
  const double t = .5, n = 2;
  const double expected = std::log((std::exp(1 / t) + n * std::exp(-1 / t)) / std::exp(1 / t));
  EXPECT_NEAR(debiased_info_nce(z, z, t, .1).item<double>(), expected, 1e-12);
}

class MinimizeObjective : public ::testing::TestWithParam<std::string> {};

TEST_P(MinimizeObjective, Golden) {
  const auto& name = GetParam();
  LossOptions options;
  options.num_env = static_cast<int64_t>(golden_scalar(name, "num_env"));
  options.temperature = golden_scalar(name, "temperature");
  options.irm_temperature = golden_scalar(name, "irm_temp");
  options.keep_cont = golden_scalar(name, "keep_cont") != 0;
  const double weight = golden_scalar(name, "penalty_weight");
  const auto z1 = golden(name, "z1").requires_grad_(true),
             z2 = golden(name, "z2").requires_grad_(true);
  const auto splits = golden(name, "splits");  // (P, N, K)
  const auto environment = splits.argmax(2).index_select(1, golden(name, "index"));
  const auto terms = minimize_objective(z1, z2, environment, weight, options);
  EXPECT_NEAR(terms.loss.item<double>() / golden_scalar(name, "loss"), 1, 1e-9);
  EXPECT_NEAR((terms.contrastive / golden(name, "contrastive").mean()).item<double>(), 1, 1e-9);
  EXPECT_NEAR((terms.penalty / golden(name, "penalty").mean()).item<double>(), 1, 1e-9);
  const auto grads = torch::autograd::grad({terms.loss}, {z1, z2});
  EXPECT_LT(relative_error(grads[0], golden(name, "grad_z1")), 1e-9);
  EXPECT_LT(relative_error(grads[1], golden(name, "grad_z2")), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Cases, MinimizeObjective,
                         ::testing::Values("min_objective_k2", "min_objective_k3",
                                           "min_objective_heavy"),
                         [](const auto& test) { return test.param; });

TEST(MinimizeObjectiveProperties, SwappingEnvironmentsChangesNothing) {
  const std::string name = "min_objective_k2";
  LossOptions options;
  const auto environment = golden(name, "splits").argmax(2).index_select(1, golden(name, "index"));
  const auto a =
      minimize_objective(golden(name, "z1"), golden(name, "z2"), environment, .2, options);
  const auto b =
      minimize_objective(golden(name, "z1"), golden(name, "z2"), 1 - environment, .2, options);
  EXPECT_NEAR(a.loss.item<double>(), b.loss.item<double>(), 1e-14);
}

// The variance of the environments' losses, by hand, and its gradient by finite differences.
TEST(Penalty, VrexIsTheVarianceOfTheEnvironmentsLosses) {
  torch::manual_seed(8);
  const auto z1 = torch::nn::functional::normalize(torch::randn({12, 5}, torch::kFloat64)),
             z2 = torch::nn::functional::normalize(torch::randn({12, 5}, torch::kFloat64));
  const auto sample = torch::arange(12, torch::kInt64);
  const auto environment = torch::stack({sample.remainder(3), sample.floor_divide(2).remainder(3)});
  LossOptions options;
  options.num_env = 3;
  options.penalty = Penalty::kVrex;
  double expected = 0;
  for (int64_t p = 0; p < 2; ++p) {
    std::vector<double> losses;
    for (int64_t e = 0; e < 3; ++e) {
      const auto own = (environment[p] == e).nonzero().squeeze(1);
      losses.push_back(
          info_nce(z1.index_select(0, own), z2.index_select(0, own), .5).item<double>());
    }
    const double mean = (losses[0] + losses[1] + losses[2]) / 3;
    for (const double loss : losses) expected += (loss - mean) * (loss - mean) / 2 / 2;
  }
  const auto terms = minimize_objective(z1, z2, environment, .7, options);
  EXPECT_NEAR(terms.penalty.item<double>(), expected, 1e-12);
  EXPECT_NEAR(terms.loss.item<double>(), terms.contrastive.item<double>() + .7 * expected, 1e-12);

  const auto x = z1.clone().requires_grad_(true);
  minimize_objective(x, z2, environment, .7, options).loss.backward();
  const auto value = [&](double step) {
    auto moved = z1.clone();
    moved[3][2] += step;
    return minimize_objective(moved, z2, environment, .7, options).loss.item<double>();
  };
  EXPECT_NEAR(x.grad()[3][2].item<double>(), (value(1e-6) - value(-1e-6)) / 2e-6, 1e-7);
}

TEST(Penalty, VrexComparesNoEnvironmentWithoutALoss) {
  torch::manual_seed(9);
  const auto z1 = torch::nn::functional::normalize(torch::randn({8, 5}, torch::kFloat64)),
             z2 = torch::nn::functional::normalize(torch::randn({8, 5}, torch::kFloat64));
  LossOptions options;
  options.num_env = 4;  // of which one holds a lone sample and one nothing
  options.penalty = Penalty::kVrex;
  const auto environment = torch::tensor({{0, 0, 0, 1, 1, 1, 1, 2}});
  const auto loss = [&](int64_t from, int64_t to) {
    return info_nce(z1.slice(0, from, to), z2.slice(0, from, to), .5).item<double>();
  };
  const double difference = loss(0, 3) - loss(3, 7);
  EXPECT_NEAR(minimize_objective(z1, z2, environment, 1, options).penalty.item<double>(),
              difference * difference / 2, 1e-12);
  const auto alone = torch::tensor({{0, 0, 0, 0, 0, 0, 0, 0}});
  EXPECT_EQ(minimize_objective(z1, z2, alone, 1, options).penalty.item<double>(), 0);
}

}  // namespace
}  // namespace ipirm::loss

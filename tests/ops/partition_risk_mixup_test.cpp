// partition_risk_mixup against golden values, finite differences, a plain autograd form, its
// symmetries and its edge cases, in every implementation.
#include "ipirm/ops/partition_risk_mixup.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/functional/normalization.h>
#include <torch/types.h>

#include "ops/expectations.h"
#include "ops/implementations.h"
#include "ops/operator_inputs.h"
#include "ops/risk_implementations.h"

namespace ipirm::ops {
namespace {

using testing::golden;
using testing::golden_scalar;
using torch::Tensor;

using Inputs = OperatorInputs;

class PartitionRiskMixup : public EveryImplementation {
 protected:
  // On the implementation's device; results on the CPU.
  static Risk risk(const Inputs& inputs, bool online, double t, double irm_weight,
                   bool nonorm = false) {
    const auto& [name, device, aten] = GetParam();
    const auto in = inputs.to(device);
    const auto run = aten ? aten::partition_risk_mixup : partition_risk_mixup;
    const auto partner = online ? std::optional(in.partner) : std::nullopt;
    const auto [contrastive, penalty, grad] =
        run(in.z1, in.z2, in.weights, in.lam, partner, t, irm_weight, nonorm);
    return {contrastive.cpu(), penalty.cpu(), grad.cpu()};
  }
};
INSTANTIATE_TEST_SUITE_P(Implementations, PartitionRiskMixup,
                         ::testing::ValuesIn(implementations()), name_of);

// contrastive_e at the logits (n, n), for one environment's weights w (n), from its definition.
Tensor plain_contrastive(const Tensor& logits, const Tensor& w, const Inputs& in, bool online,
                         bool nonorm) {
  const auto n = static_cast<double>(w.size(0));
  const auto own = torch::eye(w.size(0), torch::kBool);
  const auto others = w.repeat({w.size(0), 1}).masked_fill(own, 0);
  const auto scaled = (others * (n - 1) / others.sum(1, true)).masked_fill(own, 1);
  const auto log_q =
      (scaled * logits.exp() / (scaled * logits.exp()).sum(1, true)).log();  // (n, n)
  if (!online) {
    const auto sum = -(w * in.lam * log_q.diagonal()).sum();
    return nonorm ? sum / n : sum / w.sum();
  }
  const auto at_partner = log_q.gather(1, in.partner.unsqueeze(1)).squeeze(1);
  const auto mean = -(in.lam * log_q.diagonal() + (1 - in.lam) * at_partner).mean();
  return nonorm ? mean * w.sum() / n : mean;
}

Risk plain_risk(const Inputs& in, bool online, double t, double irm_weight, bool nonorm) {
  const auto l = in.z1.mm(in.z2.t()) / t;
  const auto w = in.weights.clone().requires_grad_(true);
  std::vector<Tensor> contrastive, penalty;
  for (int64_t e = 0; e < w.size(1); ++e) {
    const auto ones = torch::ones({1, l.size(1)}, l.options().requires_grad(true));
    contrastive.push_back(plain_contrastive(l * ones, w.select(1, e), in, online, nonorm));
    const auto g = torch::autograd::grad({contrastive.back()}, {ones}, {}, true, true)[0];
    penalty.push_back(g.square().sum());
  }
  const auto c = torch::stack(contrastive), p = torch::stack(penalty);
  return {c.detach(), p.detach(),
          torch::autograd::grad({c.mean() + irm_weight * p.mean()}, {w})[0]};
}

// The golden risk is -(mean contrastive + irm_weight * mean penalty), by logits of the weights.
TEST_P(PartitionRiskMixup, Golden) {
  for (const char* name :
       {"mixup_soft_offline", "mixup_soft_offline_nonorm", "mixup_soft_online"}) {
    SCOPED_TRACE(name);
    const Inputs in{
        golden(name, "z1"),  golden(name, "z2"),         golden(name, "split").softmax(1),
        golden(name, "lam"), golden(name, "labels_aux"), torch::zeros({1}, torch::kInt64)};
    const double irm_weight = golden_scalar(name, "irm_weight");
    const bool online = std::string(name) == "mixup_soft_online";
    auto found = risk(in, online, golden_scalar(name, "temperature"), irm_weight,
                      golden_scalar(name, "nonorm") != 0);
    const auto value = found.contrastive.mean() + irm_weight * found.penalty.mean();
    EXPECT_NEAR(-value.item<double>() / golden_scalar(name, "risk"), 1, kGolden.contrastive);
    const auto inner = (found.grad * in.weights).sum(1, /*keepdim=*/true);
    found.grad = -in.weights * (found.grad - inner);
    expect_close(found,
                 {golden(name, "contrastive"), golden(name, "penalty"), golden(name, "grad_split")},
                 kGolden);
  }
}

// What a gradient that is 0 may be off by: terms of order 10 cancel.
constexpr double kRoundingOfNothing = 1e-13;
// Logits of up to 33 have absolute errors of 4e-15, which exponentials make relative ones.
constexpr Tolerances kLowTemperature{1e-11, 1e-10, 1e-10};

// The closed form equals automatic differentiation of the definition, for any n, K, T and norm.
TEST_P(PartitionRiskMixup, EqualsAutogradOfTheDefinition) {
  for (const auto& [n, k, t] : std::vector<std::tuple<int64_t, int64_t, double>>{
           {2, 2, .5}, {3, 3, .5}, {7, 2, .5}, {9, 3, .2}, {12, 4, 1.}, {5, 5, .1}, {40, 8, .7}}) {
    for (const bool online : {false, true}) {
      for (const bool nonorm : {false, true}) {
        SCOPED_TRACE(std::to_string(n) + (online ? " online" : " offline") +
                     (nonorm ? " nonorm" : ""));
        const auto in = random_inputs(n, 6, k);
        const auto expected = plain_risk(in, online, t, .7, nonorm);
        const auto found = risk(in, online, t, .7, nonorm);
        expect_close(found.contrastive, expected.contrastive, kOtherWay.contrastive);
        expect_close(found.penalty, expected.penalty, kOtherWay.penalty);
        // Of two samples the only other column always has weight 1: the normed online form is
        // constant, and its gradient rounding alone.
        const auto expect_grad = [&](const Tensor& grad, const Tensor& of_definition) {
          if (n > 2) return expect_close(grad, of_definition, kOtherWay.grad);
          EXPECT_LT((grad - of_definition).abs().max().item<double>(), kRoundingOfNothing);
        };
        expect_grad(found.grad, expected.grad);
        expect_grad(risk(in, online, t, 0, nonorm).grad, plain_risk(in, online, t, 0, nonorm).grad);
      }
    }
  }
}

// Partners that are the sample itself, or that several samples share.
TEST_P(PartitionRiskMixup, AnyPartners) {
  auto in = random_inputs(8, 5, 3);
  in.partner = torch::tensor({0, 0, 0, 3, 7, 7, 1, 7}, torch::kInt64);
  for (const bool nonorm : {false, true}) {
    expect_close(risk(in, true, .4, .7, nonorm), plain_risk(in, true, .4, .7, nonorm), kOtherWay);
  }
}

TEST_P(PartitionRiskMixup, GradientIsThatOfFiniteDifferences) {
  for (const bool online : {false, true}) {
    const auto in = random_inputs(6, 4, 3);
    const auto value = [&](const Tensor& weights) {
      auto moved = in;
      moved.weights = weights;
      const auto r = risk(moved, online, .4, .9);
      return (r.contrastive.mean() + .9 * r.penalty.mean()).item<double>();
    };
    expect_gradient_is_that_of_differences(value, in.weights, risk(in, online, .4, .9).grad,
                                           kSteepDifferences);
  }
}

TEST_P(PartitionRiskMixup, UnmixedWithEqualWeightsIsCrossEntropy) {
  auto in = random_inputs(11, 5, 2);
  in.weights = torch::full({11, 2}, .5, torch::kFloat64);
  in.lam = torch::ones(11, torch::kFloat64);
  const auto expected = torch::nn::functional::cross_entropy(in.z1.mm(in.z2.t()) / .5,
                                                             torch::arange(11, torch::kInt64));
  for (const bool online : {false, true}) {
    expect_close(risk(in, online, .5, 1).contrastive, expected.expand({2}), kRenamed.contrastive);
  }
}

TEST_P(PartitionRiskMixup, PermutingEnvironmentsPermutesResults) {
  const auto order = torch::tensor({2, 0, 1});
  for (const bool online : {false, true}) {
    const auto in = random_inputs(10, 5, 3);
    auto permuted = in;
    permuted.weights = in.weights.index_select(1, order);
    const auto found = risk(in, online, .5, 1);
    expect_close(risk(permuted, online, .5, 1),
                 {found.contrastive.index_select(0, order), found.penalty.index_select(0, order),
                  found.grad.index_select(1, order)},
                 kRenamed);
  }
}

TEST_P(PartitionRiskMixup, PermutingSamplesPermutesTheGradient) {
  const auto in = random_inputs(10, 5, 2);
  const auto order = torch::randperm(10), inverse = order.argsort();
  const auto reordered = [&](const Tensor& t) { return t.index_select(0, order); };
  auto permuted = in;
  for (auto* tensor : {&permuted.z1, &permuted.z2, &permuted.weights, &permuted.lam}) {
    *tensor = reordered(*tensor);
  }
  permuted.partner = inverse.index_select(0, reordered(in.partner));
  for (const bool online : {false, true}) {
    expect_close(risk(permuted, online, .5, 1).grad, reordered(risk(in, online, .5, 1).grad),
                 kRenamed.grad);
  }
}

TEST_P(PartitionRiskMixup, ScalingAWeightColumnChangesNothing) {
  const auto scale = torch::tensor({3., .01}, torch::kFloat64);
  for (const bool online : {false, true}) {
    const auto in = random_inputs(10, 5, 2);
    auto scaled = in;
    scaled.weights = in.weights * scale;
    auto found = risk(scaled, online, .5, 1);
    found.grad = found.grad * scale;
    expect_close(found, risk(in, online, .5, 1), kOtherWay);
  }
}

TEST_P(PartitionRiskMixup, AnEnvironmentWithoutWeightHasNoRisk) {
  for (const auto type : {torch::kFloat64, torch::kFloat32}) {
    for (const double t : {.01, .5}) {
      for (const bool online : {false, true}) {
        for (const bool nonorm : {false, true}) {
          auto in = random_inputs(8, 5, 2);
          const auto ones = torch::ones(8, torch::kFloat64);
          in.weights = torch::stack({ones, torch::zeros_like(ones)}, 1);
          const auto found = risk(in.to(type), online, t, 1, nonorm);
          EXPECT_EQ(found.contrastive[1].item<double>(), 0);
          EXPECT_EQ(found.penalty[1].item<double>(), 0);
          expect_finite(found);
          EXPECT_GT(found.contrastive[0].item<double>(), 0);
        }
      }
    }
  }
}

// Weights of exactly 0 beside others, and all weight on one sample.
TEST_P(PartitionRiskMixup, HardWeightsStayFinite) {
  for (const auto& first : {torch::tensor({1., 0., 1., 0., 0.}, torch::kFloat64),
                            torch::tensor({1., 0., 0., 0., 0.}, torch::kFloat64)}) {
    for (const bool online : {false, true}) {
      for (const bool nonorm : {false, true}) {
        auto in = random_inputs(5, 4, 2);
        in.weights = torch::stack({first, 1 - first}, 1);
        expect_finite(risk(in.to(torch::kFloat32), online, .5, 1, nonorm));
      }
    }
  }
}

TEST_P(PartitionRiskMixup, TwoSamplesStayFinite) {
  for (const double t : {.01, .5, 10.}) {
    for (const bool online : {false, true}) {
      const auto in = random_inputs(2, 4, 2).to(torch::kFloat32);
      expect_finite(risk(in, online, t, 1));
    }
  }
}

TEST_P(PartitionRiskMixup, ExtremeTemperaturesStayFinite) {
  const auto in = random_inputs(32, 8, 2).to(torch::kFloat32);
  for (const double t : {.01, 10.}) {
    for (const bool online : {false, true}) {
      expect_close(risk(in, online, t, .5), risk(in.to(torch::kFloat64), online, t, .5), kFloat32);
    }
  }
}

// Means of 2,100 terms of order 8, each with a sum of as many exponentials.
constexpr double kSumOfThousands = 1e-10;

// 2,100 samples need several blocks of rows, and in float64 nothing is kept between the passes.
TEST_P(PartitionRiskMixup, BlocksJoinUp) {
  const auto in = random_inputs(2100, 8, 2);
  for (const bool online : {false, true}) {
    const auto narrow = in.to(torch::kFloat32);
    expect_close(risk(narrow, online, .5, .5), risk(narrow.to(torch::kFloat64), online, .5, .5),
                 kFloat32);
    // Against the definition, written without the matrix of weights.
    const auto w = in.weights.select(1, 0);
    const auto e = (in.z1.mm(in.z2.t()) / .5).exp();
    const auto x = e.diagonal();
    const auto c = 2099 / (w.sum() - w);
    const auto log_d = (x + c * (e.mv(w) - x * w)).log();
    auto expected = (w * in.lam * (log_d - x.log())).sum() / w.sum();
    if (online) {
      const auto other = e.gather(1, in.partner.unsqueeze(1)).squeeze(1);
      const auto alone = in.partner == torch::arange(2100);
      const auto weight = (w.index_select(0, in.partner) * c).masked_fill(alone, 1);
      expected = (log_d - in.lam * x.log() - (1 - in.lam) * (other * weight).log()).mean();
    }
    EXPECT_NEAR(risk(in, online, .5, 0).contrastive[0].item<double>(), expected.item<double>(),
                kSumOfThousands);
  }
}

// At temperatures with and without shifted exponents, on sizes within a tile and across several.
TEST_P(PartitionRiskMixup, SizesWithinATileAndAcrossSeveral) {
  for (const int64_t n : {2, 47, 49, 150}) {
    for (const double temperature : {.03, .5}) {
      for (const bool online : {false, true}) {
        SCOPED_TRACE(std::to_string(n) + (online ? " online" : " offline"));
        const auto in = random_inputs(n, 7, 3);
        const auto found = risk(in, online, temperature, .7);
        const auto [c, p, g] = aten::partition_risk_mixup(
            in.z1, in.z2, in.weights, in.lam, online ? std::optional(in.partner) : std::nullopt,
            temperature, .7, false);
        expect_close(found.contrastive, c, kLowTemperature.contrastive);
        expect_close(found.penalty, p, kLowTemperature.penalty);
        EXPECT_LT((found.grad - g).abs().max().item<double>(),
                  kLowTemperature.grad * g.abs().max().item<double>() + kRoundingOfNothing);
      }
    }
  }
}

TEST(PartitionRiskMixupChecks, RefusesWhatDoesNotFit) {
  const auto good = random_inputs(4, 3, 2);
  const auto refuses = [&](auto change) {
    auto in = good;
    double t = .5, irm_weight = 1;
    change(in, t, irm_weight);
    EXPECT_THROW(partition_risk_mixup(in.z1, in.z2, in.weights, in.lam, in.partner, t, irm_weight),
                 c10::Error);
  };
  refuses([](auto& in, auto&, auto&) { in.z2 = in.z2.slice(0, 0, 3); });
  refuses([](auto& in, auto&, auto&) { in.weights = in.weights.slice(0, 0, 3); });
  refuses([](auto& in, auto&, auto&) { in.weights = in.weights.to(torch::kFloat32); });
  refuses([](auto& in, auto&, auto&) { in.lam = in.lam.slice(0, 0, 3); });
  refuses([](auto& in, auto&, auto&) { in.lam = in.lam.to(torch::kFloat32); });
  refuses([](auto& in, auto&, auto&) { in.partner = in.partner.slice(0, 0, 3); });
  refuses([](auto& in, auto&, auto&) { in.partner = in.partner.to(torch::kInt32); });
  refuses([](auto&, auto& t, auto&) { t = 0; });
  refuses([](auto&, auto&, auto& irm_weight) { irm_weight = -1; });
  refuses([](auto& in, auto&, auto&) {
    for (auto* t : {&in.z1, &in.z2, &in.weights, &in.lam, &in.partner}) *t = t->slice(0, 0, 1);
  });
}

}  // namespace
}  // namespace ipirm::ops

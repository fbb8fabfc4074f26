// partition_risk_mixup against golden values, finite differences, a plain autograd form, its
// symmetries and its edge cases.
#include "ipirm/ops/partition_risk_mixup.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ops/partition_risk_mixup_aten.h"
#include "support/golden.h"

namespace ipirm::ops {
namespace {

using testing::golden;
using testing::golden_scalar;
using torch::Tensor;

struct Inputs {
  Tensor z1, z2, weights, lam, partner;

  // The online form, or the offline form.
  std::optional<Tensor> partners(bool online) const {
    return online ? std::optional(partner) : std::nullopt;
  }
  Inputs to(torch::ScalarType type) const {
    return {z1.to(type), z2.to(type), weights.to(type), lam.to(type), partner};
  }
};

Inputs random_inputs(int64_t n, int64_t d, int64_t k) {
  torch::manual_seed(n * 100 + d * 10 + k);
  const auto unit = [&] {
    return torch::nn::functional::normalize(torch::randn({n, d}, torch::kFloat64));
  };
  return {unit(), unit(), torch::randn({n, k}, torch::kFloat64).softmax(1),
          torch::rand(n, torch::kFloat64) / 2 + .5, torch::randperm(n)};
}

void expect_close(const Tensor& found, const Tensor& expected, double tolerance) {
  EXPECT_LT(testing::relative_error(found, expected), tolerance);
}

struct Risk {
  Tensor contrastive, penalty, grad;  // (K), (K), (n, K)
};

Risk risk(const Inputs& in, bool online, double t, double irm_weight, bool nonorm = false) {
  const auto [c, p, g] = partition_risk_mixup(in.z1, in.z2, in.weights, in.lam, in.partners(online),
                                              t, irm_weight, nonorm);
  return {c, p, g};
}

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

class PartitionRiskMixupCase : public ::testing::TestWithParam<std::string> {};

// The golden risk is -(mean contrastive + irm_weight * mean penalty), by logits of the weights.
TEST_P(PartitionRiskMixupCase, Golden) {
  const auto& name = GetParam();
  const Inputs in{golden(name, "z1"), golden(name, "z2"), golden(name, "split").softmax(1),
                  golden(name, "lam"), golden(name, "labels_aux")};
  const double irm_weight = golden_scalar(name, "irm_weight");
  const auto found = risk(in, name == "mixup_soft_online", golden_scalar(name, "temperature"),
                          irm_weight, golden_scalar(name, "nonorm") != 0);
  expect_close(found.contrastive, golden(name, "contrastive"), 1e-9);
  expect_close(found.penalty, golden(name, "penalty"), 1e-9);
  const auto value = found.contrastive.mean() + irm_weight * found.penalty.mean();
  EXPECT_NEAR(-value.item<double>() / golden_scalar(name, "risk"), 1, 1e-9);
  const auto inner = (found.grad * in.weights).sum(1, /*keepdim=*/true);
  expect_close(-in.weights * (found.grad - inner), golden(name, "grad_split"), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(PartitionRiskMixup, PartitionRiskMixupCase,
                         ::testing::Values("mixup_soft_offline", "mixup_soft_offline_nonorm",
                                           "mixup_soft_online"),
                         [](const auto& test) { return test.param; });

// The closed form equals automatic differentiation of the definition, for any n, K, T and norm.
TEST(PartitionRiskMixup, EqualsAutogradOfTheDefinition) {
  for (const auto& [n, k, t] : std::vector<std::tuple<int64_t, int64_t, double>>{
           {2, 2, .5}, {3, 3, .5}, {7, 2, .5}, {9, 3, .2}, {12, 4, 1.}, {5, 5, .1}, {40, 8, .7}}) {
    for (const bool online : {false, true}) {
      for (const bool nonorm : {false, true}) {
        SCOPED_TRACE(std::to_string(n) + (online ? " online" : " offline") +
                     (nonorm ? " nonorm" : ""));
        const auto in = random_inputs(n, 6, k);
        const auto expected = plain_risk(in, online, t, .7, nonorm);
        const auto found = risk(in, online, t, .7, nonorm);
        expect_close(found.contrastive, expected.contrastive, 1e-12);
        expect_close(found.penalty, expected.penalty, 1e-11);
        // Of two samples the only other column always has weight 1: the normed online form is
        // constant.
        const auto expect_grad = [&](const Tensor& grad, const Tensor& of_definition) {
          if (n > 2) return expect_close(grad, of_definition, 1e-10);
          EXPECT_LT((grad - of_definition).abs().max().item<double>(), 1e-13);
        };
        expect_grad(found.grad, expected.grad);
        expect_grad(risk(in, online, t, 0, nonorm).grad, plain_risk(in, online, t, 0, nonorm).grad);
      }
    }
  }
}

// Partners that are the sample itself, or that several samples share.
TEST(PartitionRiskMixup, AnyPartners) {
  auto in = random_inputs(8, 5, 3);
  in.partner = torch::tensor({0, 0, 0, 3, 7, 7, 1, 7}, torch::kInt64);
  for (const bool nonorm : {false, true}) {
    const auto expected = plain_risk(in, true, .4, .7, nonorm);
    const auto found = risk(in, true, .4, .7, nonorm);
    expect_close(found.contrastive, expected.contrastive, 1e-12);
    expect_close(found.penalty, expected.penalty, 1e-11);
    expect_close(found.grad, expected.grad, 1e-10);
  }
}

TEST(PartitionRiskMixup, GradientIsThatOfFiniteDifferences) {
  for (const bool online : {false, true}) {
    const auto in = random_inputs(6, 4, 3);
    const auto value = [&](const Tensor& weights) {
      auto moved = in;
      moved.weights = weights;
      const auto r = risk(moved, online, .4, .9);
      return (r.contrastive.mean() + .9 * r.penalty.mean()).item<double>();
    };
    const auto grad = risk(in, online, .4, .9).grad;
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
}

TEST(PartitionRiskMixup, UnmixedWithEqualWeightsIsCrossEntropy) {
  auto in = random_inputs(11, 5, 2);
  in.weights = torch::full({11, 2}, .5, torch::kFloat64);
  in.lam = torch::ones(11, torch::kFloat64);
  const auto expected = torch::nn::functional::cross_entropy(in.z1.mm(in.z2.t()) / .5,
                                                             torch::arange(11, torch::kInt64));
  for (const bool online : {false, true}) {
    expect_close(risk(in, online, .5, 1).contrastive, expected.expand({2}), 1e-13);
  }
}

TEST(PartitionRiskMixup, PermutingEnvironmentsPermutesResults) {
  const auto order = torch::tensor({2, 0, 1});
  for (const bool online : {false, true}) {
    const auto in = random_inputs(10, 5, 3);
    auto permuted = in;
    permuted.weights = in.weights.index_select(1, order);
    const auto first = risk(in, online, .5, 1), second = risk(permuted, online, .5, 1);
    expect_close(second.contrastive, first.contrastive.index_select(0, order), 1e-13);
    expect_close(second.penalty, first.penalty.index_select(0, order), 1e-13);
    expect_close(second.grad, first.grad.index_select(1, order), 1e-12);
  }
}

TEST(PartitionRiskMixup, PermutingSamplesPermutesTheGradient) {
  const auto in = random_inputs(10, 5, 2);
  const auto order = torch::randperm(10), inverse = order.argsort();
  const auto at = [&](const Tensor& t) { return t.index_select(0, order); };
  const Inputs permuted{at(in.z1), at(in.z2), at(in.weights), at(in.lam),
                        inverse.index_select(0, at(in.partner))};
  for (const bool online : {false, true}) {
    expect_close(risk(permuted, online, .5, 1).grad, at(risk(in, online, .5, 1).grad), 1e-12);
  }
}

TEST(PartitionRiskMixup, ScalingAWeightColumnChangesNothing) {
  const auto scale = torch::tensor({3., .01}, torch::kFloat64);
  for (const bool online : {false, true}) {
    const auto in = random_inputs(10, 5, 2);
    auto scaled = in;
    scaled.weights = in.weights * scale;
    const auto first = risk(in, online, .5, 1), second = risk(scaled, online, .5, 1);
    expect_close(second.contrastive, first.contrastive, 1e-12);
    expect_close(second.penalty, first.penalty, 1e-11);
    expect_close(second.grad * scale, first.grad, 1e-10);
  }
}

TEST(PartitionRiskMixup, AnEnvironmentWithoutWeightHasNoRisk) {
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
          EXPECT_TRUE(found.grad.isfinite().all().item<bool>());
          EXPECT_GT(found.contrastive[0].item<double>(), 0);
        }
      }
    }
  }
}

// Weights of exactly 0 beside others, and all weight on one sample.
TEST(PartitionRiskMixup, HardWeightsStayFinite) {
  for (const auto& first : {torch::tensor({1., 0., 1., 0., 0.}, torch::kFloat64),
                            torch::tensor({1., 0., 0., 0., 0.}, torch::kFloat64)}) {
    for (const bool online : {false, true}) {
      for (const bool nonorm : {false, true}) {
        auto in = random_inputs(5, 4, 2);
        in.weights = torch::stack({first, 1 - first}, 1);
        const auto found = risk(in.to(torch::kFloat32), online, .5, 1, nonorm);
        EXPECT_TRUE(found.contrastive.isfinite().all().item<bool>());
        EXPECT_TRUE(found.penalty.isfinite().all().item<bool>());
        EXPECT_TRUE(found.grad.isfinite().all().item<bool>());
      }
    }
  }
}

TEST(PartitionRiskMixup, TwoSamplesStayFinite) {
  for (const double t : {.01, .5, 10.}) {
    for (const bool online : {false, true}) {
      const auto in = random_inputs(2, 4, 2).to(torch::kFloat32);
      const auto found = risk(in, online, t, 1);
      EXPECT_TRUE(found.contrastive.isfinite().all().item<bool>());
      EXPECT_TRUE(found.penalty.isfinite().all().item<bool>());
      EXPECT_TRUE(found.grad.isfinite().all().item<bool>());
    }
  }
}

void expect_float32_follows(const Inputs& in, bool online, double t) {
  const auto found = risk(in.to(torch::kFloat32), online, t, .5);
  const auto exact = risk(in.to(torch::kFloat32).to(torch::kFloat64), online, t, .5);
  expect_close(found.contrastive, exact.contrastive, 1e-5);
  expect_close(found.penalty, exact.penalty, 1e-4);
  expect_close(found.grad, exact.grad, 3e-4);
}

TEST(PartitionRiskMixup, ExtremeTemperaturesStayFinite) {
  const auto in = random_inputs(32, 8, 2);
  for (const double t : {.01, 10.}) {
    for (const bool online : {false, true}) expect_float32_follows(in, online, t);
  }
}

// 2,100 samples need several blocks of rows, and in float64 nothing is kept between the passes.
TEST(PartitionRiskMixup, BlocksJoinUp) {
  const auto in = random_inputs(2100, 8, 2);
  for (const bool online : {false, true}) {
    expect_float32_follows(in, online, .5);
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
                1e-10);
  }
}

// All the tests above run the fused kernel; the ATen form agrees with it, at temperatures with and
// without shifted exponents, on sizes within a tile and across several.
TEST(PartitionRiskMixup, FusedAndReferenceAgree) {
  for (const int64_t n : {2, 47, 49, 150}) {
    for (const double temperature : {.03, .5}) {
      for (const bool online : {false, true}) {
        const auto in = random_inputs(n, 7, 3);
        const auto [c, p, g] = partition_risk_mixup(in.z1, in.z2, in.weights, in.lam,
                                                    in.partners(online), temperature, .7, false);
        const auto [rc, rp, rg] = aten::partition_risk_mixup(
            in.z1, in.z2, in.weights, in.lam, in.partners(online), temperature, .7, false);
        EXPECT_LT((c - rc).abs().max().item<double>(), 1e-11 * rc.abs().max().item<double>());
        EXPECT_LT((p - rp).abs().max().item<double>(), 1e-10 * rp.abs().max().item<double>());
        EXPECT_LT((g - rg).abs().max().item<double>(),
                  1e-10 * rg.abs().max().item<double>() + 1e-14);
      }
    }
  }
}

TEST(PartitionRiskMixup, RefusesWhatDoesNotFit) {
  const auto good = random_inputs(4, 3, 2);
  const auto refuses = [&](auto change) {
    auto in = good;
    double t = .5, irm_weight = 1;
    change(in, t, irm_weight);
    EXPECT_THROW(risk(in, true, t, irm_weight), c10::Error);
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
  auto one = good;
  for (auto* t : {&one.z1, &one.z2, &one.weights, &one.lam}) *t = t->slice(0, 0, 1);
  EXPECT_THROW(risk(one, false, .5, 1), c10::Error);
}

}  // namespace
}  // namespace ipirm::ops

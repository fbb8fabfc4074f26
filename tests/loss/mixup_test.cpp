// MixUp's draws, mixed images and losses, against golden values, autograd and properties.
#include "ipirm/loss/mixup.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/functional/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "support/golden.h"

namespace ipirm::loss {
namespace {

using testing::golden;
using testing::golden_scalar;
using testing::relative_error;
namespace F = torch::nn::functional;

torch::Tensor unit(int64_t n, int64_t d) {
  return F::normalize(torch::randn({n, d}, torch::kFloat64));
}

TEST(MixedTerms, Golden) {
  const std::string name = "mixup_min_environment";
  const auto z1 = golden(name, "z1").requires_grad_(true),
             z2 = golden(name, "z2").requires_grad_(true);
  const auto terms = mixed_terms(z1, z2, {golden(name, "lam"), golden(name, "labels_aux")},
                                 golden_scalar(name, "temperature"));
  EXPECT_NEAR(terms.contrastive.item<double>() / golden_scalar(name, "contrastive"), 1, 1e-9);
  EXPECT_NEAR(terms.penalty.item<double>() / golden_scalar(name, "penalty"), 1, 1e-9);
  const auto loss = terms.contrastive + golden_scalar(name, "penalty_weight") * terms.penalty;
  EXPECT_NEAR(loss.item<double>() / golden_scalar(name, "loss"), 1, 1e-9);
  const auto grads = torch::autograd::grad({loss}, {z1, z2});
  EXPECT_LT(relative_error(grads[0], golden(name, "grad_z1")), 1e-9);
  EXPECT_LT(relative_error(grads[1], golden(name, "grad_z2")), 1e-9);
}

// The penalty written out equals differentiating by a vector of ones, and so does its gradient.
TEST(MixedTerms, EqualAutogradOfTheDefinition) {
  torch::manual_seed(1);
  for (const int64_t n : {2, 3, 17}) {
    const auto z1 = unit(n, 5).requires_grad_(true), z2 = unit(n, 5).requires_grad_(true);
    const Mix mix{torch::rand(n, torch::kFloat64) / 2 + .5, torch::randperm(n)};
    const auto ones = torch::ones({1, n}, torch::dtype(torch::kFloat64).requires_grad(true));
    const auto l = z1.mm(z2.t()) / .3 * ones;
    const auto m = mix.lam.mean();
    const auto plain = m * F::cross_entropy(l, torch::arange(n, torch::kInt64)) +
                       (1 - m) * F::cross_entropy(l, mix.partner);
    const auto g = torch::autograd::grad({plain}, {ones}, {}, true, true)[0];
    const auto expected = torch::autograd::grad({plain + .7 * g.square().sum()}, {z1, z2});
    const auto terms = mixed_terms(z1, z2, mix, .3);
    EXPECT_NEAR(terms.contrastive.item<double>(), plain.item<double>(), 1e-13);
    EXPECT_NEAR(terms.penalty.item<double>(), g.square().sum().item<double>(), 1e-13);
    const auto found = torch::autograd::grad({terms.contrastive + .7 * terms.penalty}, {z1, z2});
    for (size_t i = 0; i < 2; ++i) EXPECT_LT(relative_error(found[i], expected[i]), 1e-11);
  }
}

TEST(MixedTerms, UnmixedIsThePlainAsymmetricLoss) {
  torch::manual_seed(2);
  const auto z1 = unit(9, 4), z2 = unit(9, 4);
  const Mix mix{torch::ones(9, torch::kFloat64), torch::randperm(9)};
  const auto expected = F::cross_entropy(z1.mm(z2.t()) / .5, torch::arange(9, torch::kInt64));
  EXPECT_NEAR(mixed_terms(z1, z2, mix, .5).contrastive.item<double>(), expected.item<double>(),
              1e-14);
  const auto x = torch::randn({9, 3, 4, 4});
  EXPECT_TRUE(torch::equal(mix_images(x, mix), x));
}

TEST(MixedTerms, FollowFloat64InFloat32AtLowTemperatures) {
  torch::manual_seed(3);
  const auto z1 = unit(64, 16), z2 = unit(64, 16);
  const Mix mix{torch::rand(64, torch::kFloat64) / 2 + .5, torch::randperm(64)};
  for (const double t : {.5, .02, .001}) {
    const auto exact = mixed_terms(z1, z2, mix, t),
               found = mixed_terms(z1.to(torch::kFloat32), z2.to(torch::kFloat32), mix, t);
    EXPECT_NEAR((found.contrastive / exact.contrastive).item<double>(), 1, 1e-5) << t;
    EXPECT_NEAR((found.penalty / exact.penalty).item<double>(), 1, 1e-3) << t;
  }
}

TEST(MixImages, MixesImageByImageAndKeepsTheFormat) {
  const auto x = torch::randn({5, 3, 8, 8}).contiguous(torch::MemoryFormat::ChannelsLast);
  const Mix mix{torch::tensor({1., .5, .75, .9, .6}, torch::kFloat64),
                torch::tensor({3, 0, 2, 1, 4}, torch::kInt64)};
  const auto mixed = mix_images(x, mix);
  EXPECT_TRUE(mixed.is_contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_EQ(mixed.scalar_type(), torch::kFloat32);
  for (int64_t i = 0; i < 5; ++i) {
    const double lam = mix.lam[i].item<double>();
    EXPECT_LT(relative_error(mixed[i], lam * x[i] + (1 - lam) * x[mix.partner[i].item<int64_t>()]),
              1e-6);
  }
}

TEST(DrawMix, SharesAreFoldedBetaDrawsAndPartnersAPermutation) {
  const auto mix = draw_mix(MixKey{7, 1, 2}.of_batch(), 20000, 1);
  EXPECT_TRUE((mix.lam >= .5).all().item<bool>() && (mix.lam <= 1).all().item<bool>());
  for (const double q : {.1, .5, .9}) {  // uniform in [.5, 1] for alpha 1
    EXPECT_NEAR(mix.lam.quantile(q).item<double>(), .5 + q / 2, .01);
  }
  EXPECT_TRUE(torch::equal(std::get<0>(mix.partner.sort()), torch::arange(20000)));
  EXPECT_GT(draw_mix(MixKey{7, 1, 2}.of_batch(), 1000, .01).lam.mean().item<double>(), .97);
  EXPECT_LT(draw_mix(MixKey{7, 1, 2}.of_batch(), 1000, 1e4).lam.mean().item<double>(), .51);
}

TEST(DrawMix, EveryPartOfTheKeyMatters) {
  const auto first = [](core::KeyedRandom random) {
    return draw_mix(random, 4, 1).lam[0].item<double>();
  };
  const std::set<double> draws = {
      first(MixKey{7, 1, 2}.of_batch()),           first(MixKey{8, 1, 2}.of_batch()),
      first(MixKey{7, 2, 2}.of_batch()),           first(MixKey{7, 1, 3}.of_batch()),
      first(MixKey{7, 1, 2}.of_environment(0, 0)), first(MixKey{7, 1, 2}.of_environment(1, 0)),
      first(MixKey{7, 1, 2}.of_environment(0, 1))};
  EXPECT_EQ(draws.size(), 7u);
  EXPECT_EQ(first(MixKey{7, 1, 2}.of_batch()), first(MixKey{7, 1, 2}.of_batch()));
}

// To the bit: draws follow the samples, not the environments' numbers.
TEST(PlanMixup, RenamingEnvironmentsChangesNothing) {
  torch::manual_seed(4);
  const auto environment = torch::randint(0, 3, {2, 16}, torch::kInt64);
  const auto renamed =
      torch::tensor({2, 0, 1}, torch::kInt64).index_select(0, environment.flatten()).view({2, 16});
  const auto a = plan_mixup({1, 1, 0}, 16, 1, environment),
             b = plan_mixup({1, 1, 0}, 16, 1, renamed);
  ASSERT_EQ(a.partitions.size(), 2u);
  for (size_t p = 0; p < 2; ++p) {
    ASSERT_EQ(a.partitions[p].size(), b.partitions[p].size());
    for (size_t e = 0; e < a.partitions[p].size(); ++e) {
      const auto &x = a.partitions[p][e], &y = b.partitions[p][e];
      EXPECT_TRUE(torch::equal(x.samples, y.samples));
      EXPECT_TRUE(torch::equal(x.mix.lam, y.mix.lam));
      EXPECT_TRUE(torch::equal(x.mix.partner, y.mix.partner));
    }
  }
}

TEST(PlanMixup, CoversEachEnvironmentOfTwoSamplesOrMore) {
  const auto plan = plan_mixup({1, 1, 0}, 6, 1, torch::tensor({{2, 0, 0, 3, 0, 3}}));
  ASSERT_EQ(plan.partitions.size(), 1u);
  ASSERT_EQ(plan.partitions[0].size(), 2u);  // not the lone sample of environment 2
  EXPECT_TRUE(torch::equal(plan.partitions[0][0].samples, torch::tensor({1, 2, 4})));
  EXPECT_TRUE(torch::equal(plan.partitions[0][1].samples, torch::tensor({3, 5})));
  EXPECT_EQ(plan.partitions[0][0].mix.lam.size(0), 3);
  EXPECT_EQ(plan.batch.lam.size(0), 6);
  EXPECT_TRUE(plan_mixup({1, 1, 0}, 6, 1, {}).partitions.empty());
}

TEST(EnvironmentsSideBySide, WhatWasNotEmbeddedCountsZero) {
  const auto term = [](double x) { return torch::full({}, x, torch::kFloat64); };
  const auto found = environments_side_by_side({{term(2), term(3)}}, 4, torch::kFloat64);
  EXPECT_TRUE(torch::equal(found.contrastive, torch::tensor({{2., 0., 0., 0.}}, torch::kFloat64)));
  EXPECT_TRUE(torch::equal(found.penalty, torch::tensor({{3., 0., 0., 0.}}, torch::kFloat64)));
}

}  // namespace
}  // namespace ipirm::loss

// MixUp's draws, mixed images and losses, against golden values, autograd and properties.
#include "ipirm/loss/mixup.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

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

// Stands in for a network: a fixed linear map, without BatchNorm.
struct Projection {
  torch::Tensor weight = torch::randn({12, 5}, torch::kFloat64);
  mutable std::vector<int64_t> sizes;  // of the batches embedded

  Embed embed() const {
    return [this](const torch::Tensor& images) {
      sizes.push_back(images.size(0));
      return F::normalize(images.flatten(1).mm(weight));
    };
  }
};

// To the bit: draws follow the samples, not the environments' numbers.
TEST(MixedEnvironmentTerms, SwappingEnvironmentsChangesNothing) {
  torch::manual_seed(4);
  const Projection projection;
  const auto view1 = torch::randn({16, 3, 2, 2}, torch::kFloat64), z2 = unit(16, 5);
  LossOptions options;
  options.num_env = 3;
  const auto environment = torch::randint(0, 3, {16}, torch::kInt64);
  const auto renamed = torch::tensor({2, 0, 1}, torch::kInt64).index_select(0, environment);
  const auto terms = [&](const torch::Tensor& e) {
    return mixed_environment_terms(view1, z2, e, 0, {1, 1, 0}, options, projection.embed());
  };
  const auto a = terms(environment), b = terms(renamed);
  EXPECT_TRUE(torch::equal(a.contrastive, b.contrastive));
  EXPECT_TRUE(torch::equal(a.penalty, b.penalty));
  EXPECT_EQ(a.contrastive.sizes(), (std::vector<int64_t>{1, 3}));
}

TEST(MixedEnvironmentTerms, AnEnvironmentOfOneSampleOrNoneIsNotEmbeddedAndCountsZero) {
  torch::manual_seed(5);
  const Projection projection;
  const auto view1 = torch::randn({4, 3, 2, 2}, torch::kFloat64), z2 = unit(4, 5);
  LossOptions options;
  options.num_env = 4;
  const auto environment = torch::tensor({2, 0, 0, 0}, torch::kInt64);
  const auto found =
      mixed_environment_terms(view1, z2, environment, 0, {1, 1, 0}, options, projection.embed());
  EXPECT_EQ(projection.sizes, std::vector<int64_t>{3});
  EXPECT_EQ((found.contrastive != 0).sum().item<int64_t>(), 1);
  EXPECT_EQ((found.penalty != 0).sum().item<int64_t>(), 1);
}

}  // namespace
}  // namespace ipirm::loss

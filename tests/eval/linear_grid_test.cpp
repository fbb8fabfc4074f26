// The linear evaluation with several heads, cached features and L-BFGS: what is chosen and by what,
// that nothing depends on how it is computed, in one process and in two.
#include <gtest/gtest.h>

#include "eval/toy_set.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/eval/linear_probe.h"
#include "support/ranks.h"

namespace ipirm::eval {
namespace {

using test::ToySet;
using torch::Tensor;

model::Model small_model() {
  torch::manual_seed(11);
  return model::Model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
}

augment::AugmentOptions no_augmentation() {
  augment::AugmentOptions augment;
  augment.recipe = augment::Recipe::kNone;
  return augment;
}

RunOptions run_of(std::shared_ptr<dist::Group> group = dist::alone()) {
  RunOptions run;
  run.loader.workers = 1;
  run.batch_size = 16;
  run.group = std::move(group);
  return run;
}

const LinearOptions kGrid{.epochs = 4,
                          .batch_size = 12,
                          .lr = {.1, 1e-2, 1e-4},
                          .weight_decay = {0, .1},
                          .bn = BatchNormMode::kEval};

// A set whose classes are not what its images show.
ToySet mislabelled(int64_t size, uint64_t seed) {
  ToySet set(size, seed);
  for (int64_t& value : set.factors_[0].values) value = (value + 1) % 3;
  return set;
}

TEST(LinearGrid, TheTestSetChoosesNothing) {
  const ToySet train(60, 1), test(30, 2), other = mislabelled(30, 2);
  auto model = small_model(), other_model = small_model();
  LinearProbe probe(model, train, test, kGrid, no_augmentation(), run_of());
  LinearProbe misled(other_model, train, other, kGrid, no_augmentation(), run_of());
  for (int64_t epoch = 1; epoch <= 2; ++epoch) {
    const auto found = probe.epoch(epoch).value(), of_other = misled.epoch(epoch).value();
    for (size_t f = 0; f < 2; ++f) {
      EXPECT_EQ(found[f].head, of_other[f].head);
      EXPECT_EQ(found[f].held_top1, of_other[f].held_top1);
      ASSERT_EQ(probe.heads()[f].size(), 6u);
      for (const LinearEpoch& head : probe.heads()[f]) {
        EXPECT_LE(found[f].held_loss, head.held_loss);
      }
    }
    EXPECT_NE(found[0].test_loss, of_other[0].test_loss);
  }
}

TEST(LinearGrid, ALoneHeadHoldsNothingOut) {
  const ToySet train(30, 1), test(12, 2);
  auto model = small_model();
  LinearProbe probe(model, train, test, {.batch_size = 16}, no_augmentation(), run_of());
  const auto found = probe.epoch(1).value();
  EXPECT_TRUE(std::isnan(found[0].held_top1));
  EXPECT_EQ(probe.heads()[0].size(), 1u);
  for (const auto& score : scores_of(found[0]))
    EXPECT_EQ(score.name.find("held"), std::string::npos);
}

// Cached features give what the loader's views give, up to rounding: batch for batch, head for
// head.
TEST(LinearCache, ChangesNothing) {
  const ToySet train(61, 1), test(30, 2);  // a last batch of fewer images
  LinearOptions cached_options = kGrid;
  cached_options.cache = true;
  auto model = small_model(), cached_model = small_model();
  LinearProbe plain(model, train, test, kGrid, no_augmentation(), run_of());
  LinearProbe cached(cached_model, train, test, cached_options, no_augmentation(), run_of());
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    plain.epoch(epoch).value();
    cached.epoch(epoch).value();
    for (size_t head = 0; head < 6; ++head) {
      const LinearEpoch &a = plain.heads()[0][head], &b = cached.heads()[0][head];
      EXPECT_NEAR(a.train_loss, b.train_loss, 1e-4);
      EXPECT_NEAR(a.test_loss, b.test_loss, 1e-4);
      EXPECT_NEAR(a.held_loss, b.held_loss, 1e-4);
    }
  }
}

TEST(LinearPredictions, AreThoseThatAreCounted) {
  const ToySet train(60, 1), test(33, 2);
  auto model = small_model();
  LinearProbe probe(model, train, test, {.batch_size = 12, .lr = {.01}}, no_augmentation(),
                    run_of());
  const auto found = probe.epoch(1).value();
  const auto predictions = probe.predict({0, 0}).value();
  ASSERT_EQ(predictions.size(), 2u);
  for (size_t f = 0; f < 2; ++f) {
    const Tensor labels = torch::tensor(test.factors()[f].values);
    const double hits = predictions[f].value.eq(labels).sum().item<double>();
    EXPECT_NEAR(100 * hits / 33, found[f].test_top1, 1e-9);
    EXPECT_GE(predictions[f].probability.min().item<double>(), f == 0 ? 1. / 3 : .5);
    EXPECT_LE(predictions[f].probability.max().item<double>(), 1);
  }
}

// L-BFGS ends below what many epochs of Adam reach with the same weight decay.
TEST(LinearLbfgs, ReachesWhatAdamApproaches) {
  const ToySet train(60, 1), test(30, 2);
  const auto loss = [&](LinearOptions options) {
    options.bn = BatchNormMode::kEval;
    options.cache = true;
    options.batch_size = 60;
    options.weight_decay = {.01};
    auto model = small_model();
    LinearProbe probe(model, train, test, options, no_augmentation(), run_of());
    std::vector<LinearEpoch> last;
    for (int64_t epoch = 1; epoch <= options.epochs; ++epoch) last = probe.epoch(epoch).value();
    const Tensor weight = probe.classifier(0, 0)[0].second;
    return last[0].train_loss + .005 * weight.square().sum().item<double>();
  };
  const double minimum = loss({.epochs = 1, .solver = LinearSolver::kLbfgs});
  const double near = loss({.epochs = 400, .lr = {.01}});
  EXPECT_LT(minimum, near + 1e-4);
  EXPECT_GT(minimum, near - .05);
}

TEST(LinearLabelShare, LeavesTheTestSetWhole) {
  const ToySet train(60, 1), test(30, 2);
  auto model = small_model();
  LinearProbe probe(model, train, test,
                    {.epochs = 30, .batch_size = 16, .lr = {.1}, .label_share = .1},
                    no_augmentation(), run_of());
  std::vector<LinearEpoch> last;
  for (int64_t epoch = 1; epoch <= 30; ++epoch) last = probe.epoch(epoch).value();
  EXPECT_EQ(last[0].train_top1, 100);  // of six images
  EXPECT_EQ(probe.predict({0, 0}).value()[0].value.size(0), 30);
}

class GridProcesses : public ::testing::TestWithParam<LinearSolver> {};

TEST_P(GridProcesses, TwoAreOne) {
  ranks::run(2, [](dist::Group& group) {
    const ToySet train(61, 1), test(11, 2);
    LinearOptions options = kGrid;
    options.cache = true;
    options.solver = GetParam();
    if (options.solver == LinearSolver::kLbfgs) options.lr = {1};
    auto model = small_model(), model_alone = small_model();
    LinearProbe ranks(model, train, test, options, no_augmentation(),
                      run_of({&group, [](dist::Group*) {}}));
    LinearProbe alone(model_alone, train, test, options, no_augmentation(), run_of());
    for (int64_t epoch = 1; epoch <= 2; ++epoch) {
      ranks.epoch(epoch).value();
      alone.epoch(epoch).value();
      for (size_t f = 0; f < 2; ++f) {
        for (size_t head = 0; head < ranks.heads()[f].size(); ++head) {
          const LinearEpoch &a = ranks.heads()[f][head], &b = alone.heads()[f][head];
          EXPECT_NEAR(a.train_loss, b.train_loss, 1e-4);
          EXPECT_NEAR(a.test_loss, b.test_loss, 1e-4);
          EXPECT_NEAR(a.held_loss, b.held_loss, 1e-4);
          EXPECT_DOUBLE_EQ(a.class_top1, b.class_top1);
        }
      }
    }
    for (const auto& [name, tensor] : ranks.state()) dist::check_same(group, tensor, name);
    const auto found = ranks.predict({1, 1}).value(), expected = alone.predict({1, 1}).value();
    EXPECT_TRUE(torch::equal(found[0].value, expected[0].value));
    EXPECT_TRUE(torch::allclose(found[0].probability, expected[0].probability, 1e-3, 1e-4));
  });
}

INSTANTIATE_TEST_SUITE_P(Solver, GridProcesses,
                         ::testing::Values(LinearSolver::kAdam, LinearSolver::kLbfgs),
                         [](const auto& test) { return core::name_of(test.param); });

}  // namespace
}  // namespace ipirm::eval

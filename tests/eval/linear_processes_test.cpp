// The linear evaluation in several processes: one's numbers and classifiers
// with frozen BatchNorm, those of half batches with each rank's own statistics.
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/optim/adam.h>
#include <torch/types.h>

#include "eval/toy_set.h"
#include "ipirm/augment/recipe.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/dist/share.h"
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

RunOptions run_of(std::shared_ptr<dist::Group> group) {
  RunOptions run;
  run.loader.workers = 1;
  run.batch_size = 16;
  run.group = std::move(group);
  return run;
}

std::shared_ptr<dist::Group> shared(dist::Group& group) {
  return {&group, [](dist::Group*) {}};
}

NamedTensors copy_of(const NamedTensors& state) {
  NamedTensors copy;
  for (const auto& [name, tensor] : state) copy.emplace_back(name, tensor.clone());
  return copy;
}

TEST(LinearProcesses, WithFrozenBatchNormTheyAreOne) {
  for (const int size : {2, 3}) {
    ranks::run(size, [](dist::Group& group) {
      const ToySet train(37, 1), test(11, 2);  // a last batch of one image
      augment::AugmentOptions augment;
      augment.crop_size = 16;
      const LinearOptions options{
          .epochs = 3, .batch_size = 12, .lr = {1e-2}, .bn = BatchNormMode::kEval};
      auto model = small_model(), model_alone = small_model();
      LinearProbe ranks(model, train, test, options, augment, run_of(shared(group)));
      LinearProbe alone(model_alone, train, test, options, augment, run_of(dist::alone()));
      for (int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        const auto found = ranks.epoch(epoch).value(), expected = alone.epoch(epoch).value();
        ASSERT_EQ(found.size(), expected.size());
        for (size_t f = 0; f < found.size(); ++f) {
          EXPECT_NEAR(found[f].train_loss, expected[f].train_loss, 1e-5);
          EXPECT_NEAR(found[f].test_loss, expected[f].test_loss, 1e-5);
          EXPECT_DOUBLE_EQ(found[f].train_top1, expected[f].train_top1);
          EXPECT_DOUBLE_EQ(found[f].train_top5, expected[f].train_top5);
          EXPECT_DOUBLE_EQ(found[f].test_top1, expected[f].test_top1);
        }
      }
      const auto found = ranks.state(), expected = alone.state();
      for (size_t i = 0; i < found.size(); ++i) {
        const auto a = found[i].second.to(torch::kFloat64),
                   b = expected[i].second.to(torch::kFloat64);
        EXPECT_TRUE(torch::allclose(a, b, 1e-5, 1e-5))
            << found[i].first << " " << (a - b).abs().max().item<double>();
        dist::check_same(group, found[i].second, found[i].first);
      }
    });
  }
}

// As the reference's two GPUs: statistics of each half, rank 0's running ones
// kept, the loss of the whole batch.
TEST(LinearProcesses, WithTrainedBatchNormTwoRanksAreTwoHalfBatches) {
  ranks::run(2, [](dist::Group& group) {
    const ToySet set(12, 1);
    augment::AugmentOptions none;
    none.recipe = augment::Recipe::kNone;
    const LinearOptions options{
        .epochs = 1, .batch_size = 12, .lr = {1e-2}, .bn = BatchNormMode::kTrain};
    auto model = small_model(), expected_model = small_model();
    LinearProbe probe(model, set, set, options, none, run_of(shared(group)));
    const auto before = copy_of(probe.state());
    const auto results = probe.epoch(1).value();

    const auto order = core::permutation(
        core::KeyedRandom(options.seed, core::Purpose::kLinearOrder, 1), set.size());
    Tensor views = torch::empty({set.size(), 3, 16, 16});
    std::vector<uint8_t> scratch;
    for (size_t i = 0; i < order.size(); ++i) {
      augment::make_plain_view(set.image(order[i], scratch),
                               {views[static_cast<int64_t>(i)].data_ptr<float>(), 16 * 16, 1});
    }
    const torch::NoGradGuard no_grad;
    expected_model->train();
    const auto first = expected_model->encode(views.slice(0, 0, 6));
    const auto statistics = expected_model->named_buffers()["f.1.running_mean"].clone();
    const auto h = torch::cat({first, expected_model->encode(views.slice(0, 6))});
    EXPECT_TRUE(
        torch::allclose(model->named_buffers()["f.1.running_mean"], statistics, 1e-5, 1e-6));

    std::vector<int64_t> hues;
    for (const int64_t sample : order)
      hues.push_back(set.factors()[0].values[static_cast<size_t>(sample)]);
    const auto labels = torch::tensor(hues, torch::kInt64);
    const auto tensor_of = [](const NamedTensors& state, const std::string& name) {
      for (const auto& [found, tensor] : state)
        if (found == name) return tensor;
      throw std::runtime_error("no " + name);
    };
    auto weight = tensor_of(before, "classifier.0.weight").requires_grad_();
    auto bias = tensor_of(before, "classifier.0.bias").requires_grad_();
    torch::optim::Adam adam(
        {weight, bias},
        torch::optim::AdamOptions(options.lr_of(0)).weight_decay(options.weight_decay_of(0)));
    {
      const torch::AutoGradMode with_grad(true);
      const auto loss =
          torch::nn::functional::cross_entropy(torch::addmm(bias, h, weight.t()), labels);
      EXPECT_NEAR(results[0].train_loss, loss.item<double>(), 1e-5);
      loss.backward();
    }
    // Adam's first step shows a gradient's sign alone; its moments show the
    // gradient.
    const auto first_moment = tensor_of(probe.state(), "adam_first.0.weight");
    const auto expected = .1 * (weight.grad() + options.weight_decay_of(0) * weight);
    EXPECT_TRUE(torch::allclose(first_moment, expected, 1e-4, 1e-6))
        << (first_moment - expected).abs().max().item<double>();
    for (const auto& [name, tensor] : probe.state()) dist::check_same(group, tensor, name);
  });
}

// Images of 8x8 leave one value a channel: no rank may have one of them alone.
TEST(LinearProcesses, NoRankTakesStatisticsOfOneValue) {
  ranks::run(2, [](dist::Group& group) {
    augment::AugmentOptions augment;
    augment.crop_size = 8;
    for (const int64_t size : {5, 6, 7, 8}) {  // last batches of 1, 2, 3 and 4
      const ToySet train(size, 1, 8), test(5, 2, 8);
      auto model = small_model();
      LinearProbe probe(model, train, test, {.epochs = 1, .batch_size = 4}, augment,
                        run_of(shared(group)));
      const auto results = probe.epoch(1).value();
      EXPECT_TRUE(std::isfinite(results[0].train_loss)) << size;
      for (const auto& [name, tensor] : probe.state()) dist::check_same(group, tensor, name);
    }
  });
}

}  // namespace
}  // namespace ipirm::eval

// Steps of 1, 2 and 4 processes beside one: synchronised BatchNorm gives the same numbers, each
// rank's own those of plain forward passes of the halves; and whole runs with search and kNN.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ipirm/dist/collect.h"
#include "ipirm/loss/minimize_objective.h"
#include "ipirm/train/step.h"
#include "support/ranks.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

using torch::Tensor;

constexpr int64_t kBatch = 12;
constexpr double kRounding = 1e-9;  // of a few steps in float64

model::Model float64_model() {
  torch::manual_seed(3);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  model->to(torch::kFloat64);
  return model;
}

ops::Adam adam_of(model::Model& model) { return {model->parameters(), {.lr = 1e-3}}; }

// Images that depend on (seed, view) alone.
Tensor images(int64_t seed) {
  constexpr int64_t kSide = 16;
  return (torch::arange(kBatch * 3 * kSide * kSide, torch::kFloat64) * .731 + seed)
      .sin()
      .view({kBatch, 3, kSide, kSide});
}

StepInput whole_input(uint64_t step, bool with_partitions) {
  StepInput input{.view1 = images(static_cast<int64_t>(step)),
                  .view2 = images(static_cast<int64_t>(step) + 50),
                  .penalty_weight = .7,
                  .epoch = 1,
                  .step = step};
  // The second partition has an environment of 2 samples and one of 3: less than two for each rank.
  if (with_partitions) {
    input.environment =
        torch::stack({torch::arange(kBatch) % 2, torch::zeros({kBatch}).to(torch::kInt64)});
    input.environment[1].slice(0, 3, 5).fill_(1);
    input.environment[1].slice(0, 7, 10).fill_(2);
  }
  return input;
}

StepInput own_input(StepInput input, const dist::Group& group) {
  const dist::Shares shares(kBatch, group);
  input.view1 = shares.own(input.view1);
  input.view2 = shares.own(input.view2);
  return input;
}

void expect_close(const std::vector<Tensor>& found, const std::vector<Tensor>& expected,
                  const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(torch::allclose(found[i].to(torch::kFloat64), expected[i].to(torch::kFloat64),
                                kRounding, kRounding))
        << what << " " << i << ": " << (found[i] - expected[i]).abs().max().item<double>();
  }
}

struct Kind {
  const char* name;
  loss::LossOptions loss;
  bool retain = false;
};

std::vector<Kind> kinds() {
  loss::LossOptions plain, baseline, mixed, mixed_baseline;
  plain.num_env = mixed.num_env = 3;
  plain.keep_cont = mixed.keep_cont = true;
  baseline.baseline = mixed_baseline.baseline = true;
  mixed.mixup.on = mixed_baseline.mixup.on = true;
  return {{"plain", plain},
          {"baseline", baseline},
          {"MixUp", mixed},
          {"MixUp, all partitions", mixed, /*retain=*/true},
          {"MixUp, baseline", mixed_baseline}};
}

TEST(Processes, WithSyncedBatchNormStepsAreThoseOfOneProcess) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      const std::shared_ptr<dist::Group> ranks(&group, [](dist::Group*) {});
      for (const auto& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        auto model = float64_model(), alone = float64_model();
        model->synchronise_batch_norm(ranks);
        auto adam = adam_of(model), adam_alone = adam_of(alone);
        const auto step = make_step(kind.loss, {.retain_group = kind.retain, .group = ranks});
        const auto step_alone = make_step(kind.loss, {.retain_group = kind.retain});
        for (uint64_t number = 0; number < 3; ++number) {
          auto input = whole_input(number, step->uses_partitions());
          if (kind.loss.mixup.on && !kind.retain && input.environment.defined())
            input.environment = input.environment.slice(0, 1);
          const auto terms = step->run(model, adam, own_input(input, group));
          const auto expected = step_alone->run(alone, adam_alone, input);
          for (size_t i = 0; i < terms.size(); ++i)
            EXPECT_NEAR(terms[i].value.item<double>(), expected[i].value.item<double>(), kRounding)
                << terms[i].name;
        }
        expect_close(model->parameters(), alone->parameters(), "parameter");
        expect_close(model->buffers(), alone->buffers(), "buffer");
      }
    });
  }
}

// The reference's two GPUs: statistics of each half, the loss of the whole batch.
TEST(Processes, WithEachRanksOwnBatchNormTwoRanksAreTwoHalfBatches) {
  ranks::run(2, [](dist::Group& group) {
    const std::shared_ptr<dist::Group> ranks(&group, [](dist::Group*) {});
    loss::LossOptions loss;
    loss.num_env = 3;
    auto model = float64_model();
    model::Model halves[] = {float64_model(), float64_model()};
    auto adam = adam_of(model);
    ops::Adam adams[] = {adam_of(halves[0]), adam_of(halves[1])};
    const auto step = make_step(loss, {.group = ranks});
    for (uint64_t number = 0; number < 3; ++number) {
      const auto input = whole_input(number, true);
      const auto terms = step->run(model, adam, own_input(input, group));
      Tensor z[2][2];
      for (size_t half = 0; half < 2; ++half) {
        halves[half]->train();
        size_t view = 0;
        for (const auto& whole : {input.view1, input.view2})
          z[view++][half] = halves[half]->forward(whole.chunk(2)[half]).projection;
      }
      const auto expected =
          loss::minimize_objective(torch::cat({z[0][0], z[0][1]}), torch::cat({z[1][0], z[1][1]}),
                                   input.environment, input.penalty_weight, loss);
      EXPECT_NEAR(terms.front().value.item<double>(), expected.loss.item<double>(), kRounding);
      const auto a = halves[0]->parameters(), b = halves[1]->parameters();
      auto both = a;
      both.insert(both.end(), b.begin(), b.end());
      auto gradients = torch::autograd::grad({expected.loss}, both);
      for (size_t i = 0; i < a.size(); ++i) gradients[i] = gradients[i] + gradients[a.size() + i];
      gradients.resize(a.size());
      for (auto& other : adams) other.step(gradients);
    }
    expect_close(model->parameters(), halves[0]->parameters(), "parameter");
    expect_close(model->buffers(), halves[group.rank()]->buffers(), "buffer");
  });
}

}  // namespace
}  // namespace ipirm::train

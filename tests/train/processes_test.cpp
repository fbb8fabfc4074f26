// Steps of 1, 2 and 4 processes beside one: synchronised BatchNorm gives the same numbers, each
// rank's own those of plain forward passes of the halves; and whole runs with search and kNN.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ipirm/dist/check_alike.h"
#include "ipirm/dist/collect.h"
#include "ipirm/loss/minimize_objective.h"
#include "ipirm/train/step.h"
#include "support/ranks.h"
#include "train/rank_steps.h"

namespace ipirm::train {
namespace {

using torch::Tensor;

constexpr double kRounding = 1e-9;  // of a few steps in float64

void expect_close(const std::vector<Tensor>& found, const std::vector<Tensor>& expected,
                  const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(torch::allclose(found[i].to(torch::kFloat64), expected[i].to(torch::kFloat64),
                                kRounding, kRounding))
        << what << " " << i << ": " << (found[i] - expected[i]).abs().max().item<double>();
  }
}

TEST(Processes, WithSyncedBatchNormStepsAreThoseOfOneProcess) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      const auto ranks = shared(group);
      for (const auto& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        auto model = small_model(), alone = small_model();
        model->synchronise_batch_norm(ranks);
        auto adam = adam_of(model), adam_alone = adam_of(alone);
        const auto step = make_step(kind.loss, {.retain_group = kind.retain, .group = ranks});
        const auto step_alone = make_step(kind.loss, {.retain_group = kind.retain});
        constexpr uint64_t kSteps = 3;
        std::vector<loss::NamedTerms> found;
        for (uint64_t number = 0; number < kSteps; ++number)
          found.push_back(step->run(model, adam, own_input(input_of(kind, number), group)));
        for (const auto& parameter : model->parameters())
          dist::check_same(group, parameter, "a parameter");
        for (const auto& buffer : model->buffers()) dist::check_same(group, buffer, "a buffer");
        if (!group.is_first()) continue;  // for all the first one makes one process's steps
        for (uint64_t number = 0; number < kSteps; ++number) {
          const auto expected = step_alone->run(alone, adam_alone, input_of(kind, number));
          for (size_t i = 0; i < expected.size(); ++i)
            EXPECT_NEAR(found[number][i].value.item<double>(), expected[i].value.item<double>(),
                        kRounding)
                << expected[i].name;
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
    const auto ranks = shared(group);
    loss::LossOptions loss;
    loss.num_env = 3;
    auto model = small_model();
    model::Model halves[] = {small_model(), small_model()};
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

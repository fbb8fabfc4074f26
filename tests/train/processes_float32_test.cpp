// What of 1, 2 and 4 processes agrees to 1e-5 in float32: the terms of a step, partitions, and the
// weights after several steps where Adam does not magnify rounding.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "support/ranks.h"
#include "train/rank_steps.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

constexpr double kClose = 1e-5;

// The largest difference, in parts of the largest value of all.
double difference(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  double most = 0, largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    most = std::max(most, (found[i] - expected[i]).abs().max().item<double>());
    largest = std::max(largest, expected[i].abs().max().item<double>());
  }
  return most / largest;
}

StepInput in_float32(StepInput input) {
  input.view1 = input.view1.to(torch::kFloat32);
  input.view2 = input.view2.to(torch::kFloat32);
  return input;
}

// A network and its optimiser among the ranks, and one alone that makes the same steps.
struct Both {
  Both(const Kind& kind, dist::Group& group, double eps)
      : model(small_model(torch::kFloat32)),
        alone(small_model(torch::kFloat32)),
        adam(adam_of(model, eps)),
        adam_alone(adam_of(alone, eps)),
        step(make_step(kind.loss, {.retain_group = kind.retain, .group = shared(group)})),
        step_alone(make_step(kind.loss, {.retain_group = kind.retain})) {
    model->synchronise_batch_norm(shared(group));
  }
  model::Model model, alone;
  ops::Adam adam, adam_alone;
  std::unique_ptr<Step> step, step_alone;
};

double largest_difference_of_terms(const loss::NamedTerms& found,
                                   const loss::NamedTerms& expected) {
  double most = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double value = expected[i].value.item<double>();
    most = std::max(
        most, std::abs(found[i].value.item<double>() - value) / std::max(1., std::abs(value)));
  }
  return most;
}

TEST(ProcessesInFloat32, TheTermsOfAStepAgree) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      for (const auto& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        Both both(kind, group, /*eps=*/1e-8);
        const auto input = in_float32(input_of(kind, 0));
        const auto found = both.step->run(both.model, both.adam, own_input(input, group));
        if (!group.is_first()) continue;  // for all the first one makes one process's step
        const auto expected = both.step_alone->run(both.alone, both.adam_alone, input);
        EXPECT_LT(largest_difference_of_terms(found, expected), kClose);
      }
    });
  }
}

// Adam moves a weight by lr m / (sqrt(v) + eps), at first by lr g / (|g| + eps): with the usual eps
// of 1e-8 by lr whatever the size of g, rounding or not. With an eps above the rounding of g the
// weights stay together.
TEST(ProcessesInFloat32, WeightsStayTogetherWhereAdamDoesNotMagnifyRounding) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      Kind kind{"baseline", {}};
      kind.loss.baseline = true;
      Both both(kind, group, /*eps=*/1e-2);
      for (uint64_t number = 0; number < 5; ++number) {
        const auto input = in_float32(input_of(kind, number));
        const auto found = both.step->run(both.model, both.adam, own_input(input, group));
        const auto expected = both.step_alone->run(both.alone, both.adam_alone, input);
        EXPECT_LT(largest_difference_of_terms(found, expected), kClose);
        EXPECT_LT(difference(both.model->parameters(), both.alone->parameters()), kClose);
      }
    });
  }
}

// What a search finds, and the risk after each of its passes.
struct Found {
  Tensor environment;
  std::vector<double> risks;
};

Found search(const std::filesystem::path& path, const std::shared_ptr<dist::Group>& group,
             bool offline, bool mixup) {
  SmallRun run(path / core::cat(group->size(), "_", group->rank()));
  run.views.group = group;
  run.maximize.offline = offline;
  run.maximize.mixup = mixup;
  run.maximize.batch_size = 20;
  const auto source = make_search(run.maximize, run.views, run.options.batch_size, false);
  Found found;
  const auto note = [&](const partition::PassReport& pass) { found.risks.push_back(pass.risk); };
  found.environment = source->partition(*run.state, 0, note)->logits.argmax(1);
  return found;
}

class ProcessesSearch : public RunTest {};

TEST_F(ProcessesSearch, FindsThePartitionOfOneProcess) {
  for (const int size : {2, 4}) {
    ranks::run(size, [this](dist::Group& group) {
      for (const bool offline : {false, true}) {
        for (const bool mixup : {false, true}) {
          const auto folder = root_ / core::cat(group.rank(), offline, mixup);
          const auto found = search(folder, shared(group), offline, mixup);
          const auto expected = search(folder, dist::alone(), offline, mixup);
          EXPECT_TRUE(torch::equal(found.environment, expected.environment));
          ASSERT_EQ(found.risks.size(), expected.risks.size());
          for (size_t pass = 0; pass < found.risks.size(); ++pass) {
            EXPECT_NEAR(found.risks[pass], expected.risks[pass],
                        kClose * std::abs(expected.risks[pass]));
          }
        }
      }
    });
  }
}

}  // namespace
}  // namespace ipirm::train

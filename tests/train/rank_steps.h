// Steps of a small network on images made by a formula: what tests of several processes compare.
#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "ipirm/dist/share.h"
#include "ipirm/train/step.h"

namespace ipirm::train {

using torch::Tensor;

constexpr int64_t kBatch = 12;
constexpr int64_t kFeatureDim = 8;

inline model::Model small_model(torch::ScalarType type = torch::kFloat64) {
  torch::manual_seed(3);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, kFeatureDim});
  model->to(type);
  return model;
}

inline ops::Adam adam_of(model::Model& model, double eps = 1e-8) {
  return {model->parameters(), {.lr = 1e-3, .eps = eps}};
}

// A group that lives longer than what holds it.
inline std::shared_ptr<dist::Group> shared(dist::Group& group) {
  return {&group, [](dist::Group*) {}};
}

// Images that depend on (seed, view) alone.
inline Tensor images(int64_t seed) {
  constexpr int64_t kSide = 16;
  return (torch::arange(kBatch * 3 * kSide * kSide, torch::kFloat64) * .731 + seed)
      .sin()
      .view({kBatch, 3, kSide, kSide});
}

inline StepInput whole_input(uint64_t step, bool with_partitions) {
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

struct Kind {
  const char* name;
  loss::LossOptions loss;
  bool retain = false;
};

// What a step of this kind takes: one partition where all are one sum.
inline StepInput input_of(const Kind& kind, uint64_t step) {
  auto input = whole_input(step, !kind.loss.baseline);
  if (kind.loss.mixup.on && !kind.retain && input.environment.defined())
    input.environment = input.environment.slice(0, 1);
  return input;
}

inline StepInput own_input(StepInput input, const dist::Group& group) {
  const dist::Shares shares(kBatch, group);
  input.view1 = shares.own(input.view1);
  input.view2 = shares.own(input.view2);
  return input;
}

inline std::vector<Kind> kinds() {
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

}  // namespace ipirm::train

// A minimization step as an object (METHOD 4, 6, 7): which of the three it is, is chosen once,
// where a run is composed.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "ipirm/dist/group.h"
#include "ipirm/loss/minimize_objective.h"
#include "ipirm/loss/options.h"
#include "ipirm/model/model.h"
#include "ipirm/ops/adam.h"

namespace ipirm::train {

// What one step is made on.
struct StepInput {
  // (n, 3, H, W), on the model's device, as a loader gives them: this rank's share of a batch of B.
  // In one process n is B.
  torch::Tensor view1, view2;
  // (P, B) int64 on the CPU: the environment of each sample of the whole batch in each kept
  // partition. Undefined where the step uses no partitions.
  torch::Tensor environment = {};
  // w >= 0.
  double penalty_weight = 0;
  // The step within the epoch counts from 0; random draws are keyed by both.
  uint64_t epoch = 0, step = 0;
};

class Step {
 public:
  virtual ~Step() = default;
  // Whether the kept partitions count: without them there is nothing to search for.
  virtual bool uses_partitions() const = 0;
  // Embeds the views with `model` in training mode, back-propagates, moves the parameters by `adam`
  // and returns the terms of the whole batch, "loss" first and the same names at every step:
  // scalars without a graph on the model's device. Does not wait for the device.
  virtual loss::NamedTerms run(model::Model& model, ops::Adam& adam, const StepInput& input) = 0;
};

// How the kept partitions count, and in which arithmetic the network runs.
struct StepOptions {
  // MixUp: partition by partition instead of one sum.
  bool retain_group = false;
  // The network runs under autocast to bfloat16; losses never do.
  bool bf16 = false;
  // Of MixUp's draws.
  uint64_t seed = 1234;
  // The ranks among which each batch is shared out.
  std::shared_ptr<dist::Group> group = dist::alone();
};

// The contrastive loss alone; the loss of environments; or either under MixUp.
std::unique_ptr<Step> make_step(const loss::LossOptions& loss, const StepOptions& options);

}  // namespace ipirm::train

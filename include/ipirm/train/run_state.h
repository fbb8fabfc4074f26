// A run's whole state: what a resumed run needs to go on as if it had never stopped.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "ipirm/checkpoint/state_part.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/dist/group.h"
#include "ipirm/model/model.h"
#include "ipirm/ops/adam.h"
#include "ipirm/partition/maximizer.h"
#include "ipirm/partition/partition_set.h"

namespace ipirm::train {

// What is next in an epoch. Stored: never renumber.
enum class Phase : int64_t { kMinimize = 0, kMaximize = 1, kEvaluate = 2 };

// Where the run stands. Random draws are keyed, so that these counters are the random state as
// well.
struct Position {
  // The epoch that is being worked on, from 1; epochs + 1 when all is done.
  int64_t epoch = 1;
  Phase phase = Phase::kMinimize;
  // Steps done in this epoch, and in the run.
  int64_t step = 0;
  int64_t total_steps = 0;
  // Sum of the losses of this epoch's steps.
  double loss_sum = 0;
};

// The counters of a state's tensor "position" (int64: epoch, phase, step, total_steps), without
// loss_sum. Throws UserError, naming `source`, for others than a run can have.
Position position_from(const torch::Tensor& counters, const std::string& source);

struct RunState {
  model::Model model;
  ops::Adam adam;
  partition::PartitionSet partitions;
  Position position;
  // The search under way.
  std::optional<partition::SearchState> search = {};
  // Of the training set; a state of other data is refused.
  std::optional<data::Fingerprint> data = {};
  // Where its partitions come from: "search", "random" or "factor:NAME". A state of another source
  // is refused. Empty where the run uses none.
  std::string source = {};
};

// The parts that `state` is saved as, which must outlive them. What else a run has to keep (the
// lengths of its texts, a queue, a second network) joins the list as a part of its own.
checkpoint::StateParts parts_of(RunState& state);

// Brings every rank's state to rank 0's, which has loaded or made it. Throws LostError.
void share_state(RunState& state, dist::Group& group);

}  // namespace ipirm::train

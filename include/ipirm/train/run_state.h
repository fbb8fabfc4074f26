// A run's whole state: what a resumed run needs to go on as if it had never stopped.
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/data/fingerprint.h"
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
  int64_t epoch = 1;  // being worked on, from 1; epochs + 1 when all is done
  Phase phase = Phase::kMinimize;
  int64_t step = 0;         // steps done in it
  int64_t total_steps = 0;  // in the run
  double loss_sum = 0;      // over the epoch's steps
};

struct RunState {
  model::Model model;
  ops::Adam adam;
  partition::PartitionSet partitions;
  Position position;
  std::optional<partition::SearchState> search = {};  // of the maximization under way
  std::optional<data::Fingerprint> data = {};         // of the training set
};

// A state as read from a file.
struct SavedState {
  checkpoint::StateDict tensors;
  Position position;  // its loss_sum is read by restore()
  int64_t num_partitions = 0;
  std::array<uint64_t, 3> text_sizes = {};  // bytes of log.txt, metrics.jsonl, knn_result.txt
  std::optional<data::Fingerprint> data;    // none before version 3
};

// What a state file holds: copies on the CPU, which the run does not change any more.
checkpoint::StateDict copy_run_state(const RunState& state,
                                     const std::array<uint64_t, 3>& text_sizes);

// The weights among them, as model_E.pt holds them.
checkpoint::StateDict weights_of(const checkpoint::StateDict& run_state);

// Throws UserError for a file that is no run state, of another version, or damaged.
SavedState read_run_state(const std::filesystem::path& path);

// Puts a saved state into `state`, whose model must be of the same architecture and whose data, if
// both name them, must be the same; a saved state that names none is reported. Throws UserError
// naming what does not fit.
void restore(RunState& state, const SavedState& saved, const std::filesystem::path& source);

}  // namespace ipirm::train

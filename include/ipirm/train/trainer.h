// The training loop: minimization epochs, a maximization every few of them, evaluation, checkpoints
// (METHOD 4, 5, 7, 9).
#pragma once

#include <torch/types.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include "ipirm/augment/options.h"
#include "ipirm/data/image_set.h"
#include "ipirm/eval/options.h"
#include "ipirm/partition/options.h"
#include "ipirm/train/options.h"
#include "ipirm/train/plan.h"
#include "ipirm/train/run_folder.h"
#include "ipirm/train/run_state.h"
#include "ipirm/train/step.h"
#include "ipirm/train/step_history.h"
#include "ipirm/train/views.h"

namespace ipirm::train {

// A loss or risk that is no longer finite. The message is one line with step and terms; the state
// then lies in failed_state.pt.
class DivergedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TrainerOptions {
  TrainOptions train;
  partition::MaximizeOptions maximize;
  eval::KnnOptions knn;
};

// Throws UserError when a set of that many images holds no full batch.
void check_batch_size(int64_t batch_size, int64_t set_size);

class Trainer {
 public:
  // state.model lies on `device`; state.partitions may hold a first partition, otherwise the search
  // makes it. Without sets.test there is no kNN. Throws UserError when the batch is larger than the
  // training set, or a partition is of another set.
  Trainer(const TrainerOptions& options, std::unique_ptr<Step> step, data::DataSets sets,
          ViewSource views, RunState& state, RunFolder& folder, torch::Device device);

  // Runs to the last epoch, to max_steps or to an interrupt; the state is saved in each case.
  // Returns true when the whole run is done. Throws DivergedError. Whatever else is thrown, the
  // state up to the last whole step is saved first, except when a file could not be written or a
  // step failed half-way (no memory left, say): then the state saved before stays the newest.
  bool run();

 private:
  // Each returns false when it was stopped (by an interrupt or max_steps) before its end.
  bool minimize_epoch(int64_t epoch);
  bool maximize(int64_t epoch);
  bool evaluate(int64_t epoch);
  void checkpoint(int64_t epoch);
  // Reads the steps since the last read; writes them down and checks them.
  void write_steps();
  void save_if_due();  // the state, every save_minutes
  bool stopped();      // saves the state and says so; false
  // After a failure: the state up to the last whole step. A step that failed half-way may have
  // moved BatchNorm's running statistics; the state saved before then stays the newest.
  void save_what_is_left();
  DivergedError diverged(const std::string& what);
  bool out_of_steps() const {
    return options_.train.max_steps > 0 && state_.position.total_steps >= options_.train.max_steps;
  }

  TrainerOptions options_;
  Plan plan_;
  std::unique_ptr<Step> step_;
  data::DataSets sets_;
  ViewSource views_;
  RunState& state_;
  RunFolder& folder_;
  torch::Device device_;
  int64_t steps_per_epoch_;
  StepHistory history_;
  bool in_step_ = false;
  StepRecord last_step_;
  std::chrono::steady_clock::time_point last_read_, last_save_ = std::chrono::steady_clock::now();
};

}  // namespace ipirm::train

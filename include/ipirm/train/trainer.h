// The training loop: minimization epochs, a maximization every few of them, evaluation, checkpoints
// (METHOD 4, 5, 7, 9).
#pragma once

#include <torch/types.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ipirm/eval/evaluation.h"
#include "ipirm/train/copy_stream.h"
#include "ipirm/train/observer.h"
#include "ipirm/train/options.h"
#include "ipirm/train/partition_source.h"
#include "ipirm/train/plan.h"
#include "ipirm/train/run_state.h"
#include "ipirm/train/state_store.h"
#include "ipirm/train/step.h"
#include "ipirm/train/step_history.h"
#include "ipirm/train/time_left.h"
#include "ipirm/train/views.h"

namespace ipirm::train {

// A loss or risk that is no longer finite. The message is one line with step and terms; the state
// then lies in failed_state.pt.
class DivergedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws UserError when a set of that many images holds no full batch.
void check_batch_size(int64_t batch_size, int64_t set_size);

// What a run is made of, chosen once where it is composed.
struct TrainerParts {
  std::unique_ptr<Step> step;
  // Asked at each due time, unless the step uses no partitions.
  std::unique_ptr<PartitionSource> source;
  // Made when due, in this order; may be empty.
  std::vector<std::unique_ptr<eval::Evaluation>> evaluations;
  Observers observers;
};

class Trainer {
 public:
  // num_env: K, of the partitions. views: of the training set, shared out among its ranks, of which
  // each runs such a trainer on an equal state, and rank 0 alone observes and saves. state.model
  // lies on `device`; state.partitions may hold a first partition, otherwise the source makes it.
  // `state` and `store`, which saves it, must outlive the trainer. Throws UserError when the batch
  // is larger than the training set, or a partition is of another set or of another number of
  // environments.
  Trainer(const TrainOptions& options, int64_t num_env, TrainerParts parts, ViewSource views,
          RunState& state, StateStore& store, torch::Device device);

  // Runs to the last epoch, to max_steps or to an interrupt; the state is saved in each case.
  // Returns true when the whole run is done. Throws DivergedError. Whatever else is thrown, the
  // state up to the last whole step is saved first, except when a file could not be written or a
  // step failed half-way (no memory left, say): then the state saved before stays the newest.
  bool run();

 private:
  // Each returns false when it was stopped (by an interrupt or max_steps) before its end.
  bool run_epochs();
  bool minimize(int64_t epoch);
  bool maximize(int64_t epoch);
  bool evaluate(int64_t epoch);

  // The epoch's order of the samples, (N) int64.
  torch::Tensor order_of(int64_t epoch) const;
  // This rank's shares of the epoch's batches that are left.
  data::Loader batches_of(int64_t epoch, const torch::Tensor& order) const;
  StepInput step_input(const data::Batch& own, const torch::Tensor& order) const;
  // The network evaluates by rank 0's running statistics in every rank.
  void share_statistics();
  // After a step of views of this shape ran out of memory: says how large a batch would fit. Leaves
  // the network in a state that must not be saved.
  void suggest_batch_size(torch::IntArrayRef view);
  // Reads the steps since the last read, tells the observers and checks the losses.
  void report_steps();
  void report_epoch(int64_t epoch, int64_t samples, double seconds);
  // What the progress line says beside rate and time: the run's time left, the loss, the last
  // evaluation.
  std::string progress_text() const;
  // Every save_minutes.
  void save_if_due();
  void checkpoint(int64_t epoch);
  // Saves the state and says where the run stopped; false.
  bool stopped();
  // After a failure: the state up to the last whole step. A step that failed half-way may have
  // moved BatchNorm's running statistics; the state saved before then stays the newest.
  void save_what_is_left();
  [[noreturn]] void report_write_error(const std::string& error);
  DivergedError diverged(const std::string& what);
  bool out_of_steps() const {
    return options_.max_steps > 0 && state_.position.total_steps >= options_.max_steps;
  }
  int64_t set_size() const { return views_.set->size(); }
  dist::Group& group() const { return *views_.group; }

  TrainOptions options_;
  Plan plan_;
  std::unique_ptr<Step> step_;
  std::unique_ptr<PartitionSource> source_;
  // Of the training images, by which each partition is judged.
  std::vector<partition::KnownFactor> factors_;
  std::vector<std::unique_ptr<eval::Evaluation>> evaluations_;
  Observers observers_;
  ViewSource views_;
  RunState& state_;
  StateStore& store_;
  torch::Device device_;
  CopyStream copies_;
  int64_t steps_per_epoch_;
  StepHistory history_;
  // While it is true the state holds a part of a change (a step, or a partition that no file has
  // yet) and must not be saved.
  bool state_is_half_changed_ = false;
  // Of the last step that was read.
  StepRecord last_step_;
  // "knn 61.20": of the class, from the last evaluation that this call has made.
  std::string last_evaluation_;
  TimeLeft time_left_;
  std::chrono::steady_clock::time_point last_read_, last_save_ = std::chrono::steady_clock::now();
};

}  // namespace ipirm::train

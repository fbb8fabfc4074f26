// The plan: what is due at which epoch (METHOD 4, 5, 7, 8).
#pragma once

#include <cstdint>

#include "ipirm/train/options.h"

namespace ipirm::train {

// Epochs count from 1.
class Plan {
 public:
  explicit Plan(const TrainOptions& options) : options_(options) {}

  // The weight w of the penalty: 0 while epoch < penalty_iters; with increasing_weight linear from
  // 0 at epoch 1 to penalty_weight at the last epoch; otherwise penalty_weight.
  double penalty_weight(int64_t epoch) const;
  // After which epochs.
  bool maximize_due(int64_t epoch) const { return epoch % options_.maximize_iter == 0; }
  bool evaluate_due(int64_t epoch) const { return epoch % options_.eval_every == 0; }
  bool checkpoint_due(int64_t epoch) const {
    return epoch % options_.save_every == 0 || epoch == options_.epochs;
  }
  // At the steps 1, 1 + log_every, ... of an epoch.
  bool log_due(int64_t step_in_epoch) const {
    return (step_in_epoch - 1) % options_.log_every == 0;
  }

 private:
  TrainOptions options_;
};

}  // namespace ipirm::train

// Settings of the training run: schedule, optimizer, what is saved when (METHOD 8).
#pragma once

#include <cstdint>

namespace ipirm::train {

struct TrainOptions {
  int64_t epochs = 200;         // >= 1
  int64_t batch_size = 256;     // samples, >= 2, at most the training set
  double lr = 1e-3;             // Adam, > 0
  double weight_decay = 1e-6;   // L2, in the gradient, >= 0
  double penalty_weight = 1.0;  // lambda 1, >= 0
  int64_t penalty_iters = 0;    // epochs before which the penalty's weight is 0, >= 0
  // The penalty's weight grows linearly from 0 at epoch 1 to penalty_weight at the last epoch.
  bool increasing_weight = false;
  int64_t maximize_iter = 30;    // epochs between maximizations, >= 1
  bool retain_group = false;     // all partitions so far count, not the newest alone
  int64_t retain_group_set = 0;  // with retain_group: the newest so many alone; 0: all
  bool bf16 = false;             // autocast to bfloat16
  bool shuffle = true;           // a fresh order each epoch
  int64_t max_steps = 0;         // stop after this many steps of the run; 0: never
  int64_t save_every = 25;       // epochs between checkpoints, >= 1
  double save_minutes = 30;      // minutes between states within them, >= 0; 0: none
  int64_t eval_every = 25;       // epochs between evaluations, >= 1
  int64_t log_every = 10;        // steps between lines of log.txt, >= 1
  uint64_t seed = 1234;
};

}  // namespace ipirm::train

// Keeps the terms of recent steps on the device until a log line is due, so that no step waits for
// its numbers.
#pragma once

#include <torch/types.h>

#include <array>
#include <vector>

#include "ipirm/loss/minimize_objective.h"

namespace ipirm::train {

class StepHistory {
 public:
  // Room for `capacity` steps between two reads.
  StepHistory(int64_t capacity, torch::Device device);

  // Notes a step's terms; copies on the device alone. Throws c10::Error when full.
  void add(const loss::Terms& terms);
  int64_t size() const { return size_; }
  bool full() const { return size_ == terms_.size(0); }

  // loss, contrastive, penalty, batch of the steps since the last call, in order; waits for the
  // device.
  std::vector<std::array<double, 4>> take();

 private:
  torch::Tensor terms_;  // (capacity, 4) float64
  int64_t size_ = 0;
};

}  // namespace ipirm::train

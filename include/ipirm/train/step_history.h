// Keeps the terms of recent steps on the device until a log line is due, so that no step waits for
// its numbers.
#pragma once

#include <torch/types.h>

#include <vector>

#include "ipirm/core/named_value.h"
#include "ipirm/loss/minimize_objective.h"

namespace ipirm::train {

class StepHistory {
 public:
  // Room for `capacity` steps between two reads.
  StepHistory(int64_t capacity, torch::Device device) : capacity_(capacity), device_(device) {}

  // Notes a step's terms, which have the same names at every step; copies on the device alone.
  // Throws c10::Error when full.
  void add(const loss::NamedTerms& terms);
  int64_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }

  // The terms of the steps since the last call, in order; waits for the device.
  std::vector<core::NamedValues> take();

 private:
  int64_t capacity_;
  torch::Device device_;
  std::vector<std::string> names_;
  // (capacity, number of terms) float64, made by the first step.
  torch::Tensor terms_;
  int64_t size_ = 0;
};

}  // namespace ipirm::train

// Autocast: a scope in which matrix products and convolutions run in bfloat16 (C++ has no such
// guard of its own).
#pragma once

#include <torch/types.h>

namespace ipirm::model {

// While it lives, operators on `device`'s type autocast to bfloat16 (bf16 true) or run in their
// inputs' types (false), on this thread. The previous setting comes back at the end, and the cached
// casts of the weights are dropped when the outermost guard ends: a guard must not outlive an
// optimizer step. backward() may be called inside or outside.
class Autocast {
 public:
  Autocast(torch::Device device, bool bf16);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  torch::DeviceType type_;
  bool enabled_before_;
  torch::ScalarType dtype_before_;
};

}  // namespace ipirm::model

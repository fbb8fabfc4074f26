// Adam as PyTorch defines it (Kingma and Ba 2015, L2 decay in the gradient), in one fused pass over
// each tensor. A class over ATen's own operator, not an operator of this library.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace ipirm::ops {

struct AdamOptions {
  // The learning rate, above 0.
  double lr = 1e-3;
  // L2 decay that is added to the gradient, at least 0.
  double weight_decay = 0;
  // Decay of the first and of the second moment, each in [0, 1).
  double beta1 = 0.9, beta2 = 0.999;
  // Added to the root of the second moment, above 0.
  double eps = 1e-8;
};

// Owns the moments of a list of parameters. The state is plain tensors, so that a run can save and
// restore it.
class Adam {
 public:
  // parameters  any shapes and floating-point types; step() modifies them in place, and they must
  //             stay the same tensors
  Adam(std::vector<at::Tensor> parameters, const AdamOptions& options);

  // One step.
  // gradients  of the parameters' shapes and types, in their order; in any memory format
  void step(const std::vector<at::Tensor>& gradients);

  void set_lr(double lr) { options_.lr = lr; }
  double lr() const { return options_.lr; }
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  std::vector<at::Tensor>& first_moments() { return first_; }
  std::vector<at::Tensor>& second_moments() { return second_; }
  // How many steps were made: a float32 scalar for each parameter, on its device.
  std::vector<at::Tensor>& steps() { return steps_; }

 private:
  AdamOptions options_;
  std::vector<at::Tensor> parameters_, first_, second_, steps_;
};

}  // namespace ipirm::ops

// Adam as PyTorch defines it (Kingma and Ba 2015, L2 decay in the gradient), in one fused pass over
// each tensor.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace ipirm::ops {

struct AdamOptions {
  double lr = 1e-3;                   // > 0
  double weight_decay = 0;            // L2, added to the gradient, >= 0
  double beta1 = 0.9, beta2 = 0.999;  // [0, 1)
  double eps = 1e-8;                  // > 0
};

// Owns the moments of a list of parameters. The state is plain tensors, so that a run can save and
// restore it.
class Adam {
 public:
  // The parameters are modified in place by step(); they must stay the same tensors.
  Adam(std::vector<at::Tensor> parameters, const AdamOptions& options);

  // One step along gradients of the parameters' shapes and dtypes, in their order; any memory
  // format.
  void step(const std::vector<at::Tensor>& gradients);

  void set_lr(double lr) { options_.lr = lr; }
  double lr() const { return options_.lr; }
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  std::vector<at::Tensor>& first_moments() { return first_; }
  std::vector<at::Tensor>& second_moments() { return second_; }
  std::vector<at::Tensor>& steps() { return steps_; }  // float32 scalars on the parameters' devices

 private:
  AdamOptions options_;
  std::vector<at::Tensor> parameters_, first_, second_, steps_;
};

}  // namespace ipirm::ops

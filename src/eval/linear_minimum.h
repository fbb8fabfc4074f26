// Logistic regression to convergence on features of the network: by L-BFGS in float64.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "ipirm/dist/group.h"

namespace ipirm::eval {

struct LinearMinimum {
  torch::Tensor weight, bias;  // (C, F), (C) float64, on the features' device
  double loss = 0;             // what is minimised
  double slope = 0;            // the largest of its derivatives there, by the scaled weights
  int64_t evaluations = 0;     // of the loss and its derivatives
};

// The loss of a softmax of h weight' + bias: mean cross-entropy + weight_decay / 2 * |weight|^2,
// whose bias is free.
class LinearProblem {
 public:
  // This rank's share of `total` samples: h (n, F), labels (n) int64 from 0 to num_values - 1, on
  // one device; n may be 0. The group must outlive it. Holds h once more in float64.
  LinearProblem(const torch::Tensor& h, const torch::Tensor& labels, int64_t num_values,
                int64_t total, dist::Group& group);

  // Its minimum, the same bits in every rank; nothing once the ranks stop. Warns where it is not
  // reached within 2,000 steps. label: what the work is called in that warning.
  std::optional<LinearMinimum> minimize(double weight_decay, const std::string& label) const;

 private:
  struct Value {
    double loss;
    torch::Tensor by_weight, by_bias;  // derivatives, of the shapes of weight and bias
  };
  // scale (F): what the loss's second derivatives by a weight of each feature are about, the root
  // of it; their product with the weights is what L-BFGS moves.
  torch::Tensor scale_for(double weight_decay) const;
  // At scaled weights, and a bias for centred features.
  Value evaluate(const torch::Tensor& weight, const torch::Tensor& bias, const torch::Tensor& scale,
                 double weight_decay) const;

  dist::Group& group_;
  int64_t num_values_, total_;
  torch::Tensor mean_, variance_;  // (F) float64, of all samples; that of a constant is 0
  torch::Tensor x_;                // (n, F) float64: centred
  torch::Tensor is_of_class_;      // (n, C) float64: 0 or 1
};

}  // namespace ipirm::eval

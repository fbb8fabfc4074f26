// Batch normalisation whose statistics are those of all ranks' rows together (METHOD 12).
#pragma once

#include <torch/types.h>

#include "ipirm/dist/group.h"

namespace ipirm::model {

struct NormParameters {
  // (C) each; the running ones are moved on.
  torch::Tensor weight, bias, running_mean, running_var;
  double momentum, eps;
};

// x (B, C) or (B, C, H, W), this rank's rows, also none, of which all ranks together have more than
// one value a channel. Differentiable in x, weight and bias; the gradients of weight and bias are
// those of this rank's rows, to be summed over the ranks. One gather forward, one sum backward.
torch::Tensor synced_batch_norm(const torch::Tensor& x, const NormParameters& parameters,
                                dist::Group& group);

}  // namespace ipirm::model

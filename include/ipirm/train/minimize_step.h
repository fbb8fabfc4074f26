// One minimization step (SPEC 4): two views forward, the objective, the gradient, Adam.
#pragma once

#include <torch/types.h>

#include "ipirm/loss/minimize_objective.h"
#include "ipirm/model/model.h"
#include "ipirm/ops/adam.h"

namespace ipirm::train {

// Runs one step on the model's device and returns its terms, which stay there. view1, view2 (B, 3,
// H, W) on the device, environment (P, B) int64, undefined for a baseline. The model is left in
// training mode. Never synchronises.
loss::Terms minimize_step(model::Model& model, ops::Adam& adam, const torch::Tensor& view1,
                          const torch::Tensor& view2, const torch::Tensor& environment,
                          double penalty_weight, const loss::LossOptions& options, bool bf16);

}  // namespace ipirm::train

// One minimization step under MixUp (SPEC 6).
#pragma once

#include <torch/types.h>

#include "ipirm/loss/minimize_objective.h"
#include "ipirm/loss/mixup.h"
#include "ipirm/model/model.h"
#include "ipirm/ops/adam.h"

namespace ipirm::train {

// As minimize_step(), with environment (P, B) on the CPU. The whole batch is embedded first,
// mixed view before plain one, whether its loss counts (keep_cont, baseline) or not; then each
// environment's views, mixed anew. Without `retain` one sum is back-propagated.
// With it the whole batch's loss, then each partition's alone, its second views embedded again:
// their gradients add up, and memory stays that of one partition.
loss::Terms mixup_step(model::Model& model, ops::Adam& adam, const torch::Tensor& view1,
                       const torch::Tensor& view2, const torch::Tensor& environment,
                       double penalty_weight, const loss::LossOptions& options, bool retain,
                       const loss::MixKey& key, bool bf16);

}  // namespace ipirm::train

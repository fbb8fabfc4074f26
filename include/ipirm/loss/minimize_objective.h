// The objective of the minimization step (METHOD 4): contrastive loss and IRM penalty inside each
// environment.
#pragma once

#include <torch/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "ipirm/loss/options.h"

namespace ipirm::loss {

// The terms of one step, scalars on the projections' device. Only `loss` carries a graph.
struct Terms {
  torch::Tensor loss;
  // The mean over partitions and environments; for a baseline the loss itself.
  torch::Tensor contrastive;
  // The mean over partitions and environments; 0 for a baseline.
  torch::Tensor penalty;
  // InfoNCE over the whole batch; 0 where keep_cont is off.
  torch::Tensor batch;
};

// A term under the name that it has in metrics.jsonl.
struct NamedTerm {
  std::string name;
  torch::Tensor value;
};
using NamedTerms = std::vector<NamedTerm>;

// "loss" (without its graph), "contrastive", "penalty", "batch_contrastive".
NamedTerms named(const Terms& terms);

// The value of that name. Throws c10::Error where there is none.
const torch::Tensor& value_of(const NamedTerms& terms, std::string_view name);

// The one place that sums partitions and environments: loss = mean contrastive + w mean penalty +
// batch (where defined: a scalar), divided by w if w > 1. contrastive (P, K); irm_penalty (P, K),
// which counts where `kind` is kIrm; w = penalty_weight >= 0.
Terms combine(const torch::Tensor& contrastive, const torch::Tensor& irm_penalty,
              const torch::Tensor& batch, double penalty_weight, Penalty kind = Penalty::kIrm);

// loss = mean contrastive + [keep_cont] InfoNCE(batch) + w mean penalty, divided by w if w > 1.
// z1, z2 (B, d); environment (P, B) int64 on the same device, P >= 1; w = penalty_weight >= 0.
Terms minimize_objective(const torch::Tensor& z1, const torch::Tensor& z2,
                         const torch::Tensor& environment, double penalty_weight,
                         const LossOptions& options);

// The baseline: InfoNCE over the batch, or its debiased form.
Terms baseline_objective(const torch::Tensor& z1, const torch::Tensor& z2,
                         const LossOptions& options);

}  // namespace ipirm::loss

// The maximization objective of one batch (METHOD 5, 6): risk of soft environments, balance of
// their sizes, gradient.
#pragma once

#include <torch/types.h>

#include <optional>

#include "ipirm/loss/mixup.h"
#include "ipirm/ops/team.h"
#include "ipirm/partition/options.h"

namespace ipirm::partition {

// A penalty on uneven environments and its gradient.
struct Balance {
  // Scalar.
  torch::Tensor value;
  // (n, K) with respect to the weights.
  torch::Tensor grad;
};

// weights (n, K), rows sum to 1. H is the entropy in nats of the mean row: -H; relaxed: max(0,
// 0.6365 - H); nonorm: 0.2 (-H + mean entropy of the rows). Zero without `constrain`.
Balance balance(const torch::Tensor& weights, const BalanceOptions& options);

// One batch's risk; all scalars on the batch's device.
struct Risk {
  // -(contrastive + irm_weight * invariance) + balance: what the search minimizes.
  torch::Tensor risk;
  // Mean over the environments.
  torch::Tensor contrastive;
  // v1: their mean penalty; v2: the unbiased variance of their contrastive terms.
  torch::Tensor invariance;
  torch::Tensor balance;
  // (n, K) d risk / d logits.
  torch::Tensor grad;
};

// z1, z2 (n, d) projections, logits (n, K) of the partition; rows (n) int64 chooses among more rows
// of z1 and z2. mix: the first views are mixed, and the contrastive terms those of METHOD 6
// (offline form where it has no partner; irm_temperature is not used; irm_mode v1 alone). Closed
// form: builds no graph. No host synchronisation. team: computes the pairs together, with the same
// arguments and the same bits for all; null for one who is alone.
Risk batch_risk(const torch::Tensor& z1, const torch::Tensor& z2, const torch::Tensor& logits,
                const RiskOptions& options, const std::optional<torch::Tensor>& rows = std::nullopt,
                const std::optional<loss::Mix>& mix = std::nullopt,
                const ops::TeamPointer& team = {});

}  // namespace ipirm::partition

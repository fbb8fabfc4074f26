// The contrastive risk of soft environments and its gradient in closed form (METHOD 5 and 10): no
// autograd graph, no matrix over all pairs.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

#include "ipirm/ops/team.h"

namespace ipirm::ops {

// z1, z2           (n, d) float32, float64 or, computed in float32, float16 and bfloat16: the two
//                  views' projections, rows of length 1. Rows of other lengths are taken as they
//                  are, with one warning in a process on the CPU.
// weights          (N, K) of the features' type, at least 0, K >= 1: the samples' weights in each
//                  environment
// temperature      above 0: of the contrastive term
// irm_temperature  above 0: of the penalty
// irm_weight       at least 0: the penalty's weight in grad; 0 gives that of the mean contrastive
//                  term alone
// nonorm           divide the contrastive term by the number of views, not by the sum of weights
// index            (N) int64, each 0..n-1: which rows of z1 and z2 the N >= 2 samples are; all n
//                  where not given
// All tensors are on one device.
//
// Returns contrastive (K), penalty (K) and grad (N, K) = d(mean contrastive + irm_weight * mean
// penalty)/d weights; grad is of the weights' type, the others of the type that was computed in.
// No graph flows through them. Besides, it takes about 64 MB and a copy or two of the chosen
// features, whatever N is. On the CPU a fused kernel runs, whose result does not depend on the
// number of threads; elsewhere ATen operations, without host synchronisation.
//
// Throws c10::Error for shapes, types, devices or numbers that do not fit and, on the CPU, for an
// index out of range.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm = false,
    const std::optional<at::Tensor>& index = std::nullopt);

// The same by a team whose members have the same arguments: each computes its share of the pairs,
// and all return the same bits, which agree with partition_risk()'s up to rounding.
std::tuple<at::Tensor, at::Tensor, at::Tensor> shared_partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm, const std::optional<at::Tensor>& index,
    const TeamPointer& team);

}  // namespace ipirm::ops

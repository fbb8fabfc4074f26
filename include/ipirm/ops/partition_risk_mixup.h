// The contrastive risk of soft environments under MixUp and its gradient in closed form (METHOD 6
// and 11): no autograd graph, no matrix over all pairs.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

#include "ipirm/ops/team.h"

namespace ipirm::ops {

// z1           (n, d) float32, float64 or, computed in float32, float16 and bfloat16, n >= 2: the
//              mixed view's projections, rows of length 1. Rows of other lengths are taken as they
//              are, with one warning in a process on the CPU.
// z2           (n, d) of the same type: the unmixed view's
// weights      (n, K) of the same type, at least 0: the samples' weights in each environment
// lam          (n) of the same type, in [0, 1]: the mixing coefficients
// partner      (n) int64 in 0..n-1: the samples mixed in, for the online form; without it the
//              offline form is computed
// temperature  above 0: of both terms
// irm_weight   at least 0: the penalty's weight in grad
// nonorm       divide by n, not by the sum of weights (see below)
// All tensors are on one device.
//
// With l = z1 z2ᵀ / temperature and, in environment e, q_i the softmax of row i in which column i
// has weight 1 and column j != i has ŵ_ij = w_j (n-1) / Σ_{k != i} w_k:
//   offline  contrastive_e = Σ_i w_i lam_i (-log q_ii) / Σ_i w_i             (nonorm: / n)
//   online   contrastive_e = mean_i [lam_i (-log q_ii) + (1 - lam_i)(-log q_i,partner)]
//                                                                   (nonorm: times Σ_i w_i / n)
// q_i,partner includes the partner's weight; a sample that is its own partner counts as unmixed.
// penalty_e = Σ_k g_k², g the gradient of contrastive_e with respect to ones that multiply l column
// by column (columns are samples). An environment without weight has risk 0. A partner without
// weight, whose -log q is infinite, counts with ŵ = 1e-30 and without gradient.
//
// Returns contrastive (K), penalty (K) and grad (n, K) = d(mean contrastive + irm_weight * mean
// penalty)/d weights; grad is of the weights' type, the others of the type that was computed in.
// No graph flows through them. It works in blocks of rows or tiles and takes at most about 64 MB
// besides, whatever n is, without host synchronisation.
//
// Throws c10::Error for shapes, types, devices or numbers that do not fit. Partners out of range
// are not looked for.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_mixup(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double temperature, double irm_weight,
    bool nonorm = false);

// The same by a team, as shared_partition_risk().
std::tuple<at::Tensor, at::Tensor, at::Tensor> shared_partition_risk_mixup(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double temperature, double irm_weight, bool nonorm,
    const TeamPointer& team);

}  // namespace ipirm::ops

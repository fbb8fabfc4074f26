// The contrastive risk of soft environments under MixUp and its gradient in closed form (METHOD 6
// and 11): no autograd graph, no matrix over all pairs.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops {

// z1, z2     (n, d) projections of the mixed and of the unmixed view, n >= 2, rows of length 1
//            (others are taken as they are, with one warning on the CPU); float32, float64 or,
//            computed in float32, float16 and bfloat16; any device
// weights    (n, K) >= 0, the samples' weights in each environment
// lam        (n) in [0, 1], the mixing coefficients
// partner    (n) int64 in 0..n-1, the samples mixed in: the online form. Without: the offline form.
//
// With l = z1 z2ᵀ / temperature and, in environment e, q_i the softmax of row i in which column i
// has weight 1 and column j != i has ŵ_ij = w_j (n-1) / Σ_{k != i} w_k:
//   offline  contrastive_e = Σ_i w_i lam_i (-log q_ii) / Σ_i w_i             (nonorm: / n)
//   online   contrastive_e = mean_i [lam_i (-log q_ii) + (1 - lam_i)(-log q_i,partner)]
//                                                                   (nonorm: times Σ_i w_i / n)
// q_i,partner includes the partner's weight; a sample that is its own partner counts as unmixed.
// penalty_e = Σ_k g_k², g the gradient of contrastive_e with respect to ones that multiply l column
// by column (columns are samples, one temperature for both terms).
//
// Returns contrastive (K), penalty (K) and grad (n, K) = d(mean contrastive + irm_weight * mean
// penalty)/d weights, of their dtype. An environment without weight has risk 0. A partner without
// weight, whose -log q is infinite, counts with ŵ = 1e-30 and without gradient. Works in blocks of
// rows; its extra memory is at most about 64 MB whatever n is. No host synchronisation, so that
// partners out of range are not reported here. Throws c10::Error for shapes, dtypes or ranges that
// do not fit.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_mixup(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double temperature, double irm_weight,
    bool nonorm = false);

}  // namespace ipirm::ops

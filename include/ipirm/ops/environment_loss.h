// InfoNCE and IRM penalty inside each environment of each partition (METHOD 4), differentiable.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

namespace ipirm::ops {

// z1, z2       (B, d) the two views' projections, rows of length 1 (l_ij = z_i·z_j / T; others are
//              taken as they are, with one warning on the CPU); float32, float64 or, computed in
//              float32, float16 and bfloat16; any device
// environment  (P, B) int64, each sample's environment 0..num_env-1 in each of P partitions, on the
//              same device
// Returns contrastive (P, K), InfoNCE at `temperature` over each environment's samples alone, and
// penalty (P, K), Σ_k g_k² of InfoNCE at `irm_temperature`. Both are 0 for an environment with one
// sample or none. Differentiable once in z1 and z2: a second time throws. No host synchronisation:
// environments are masked, never gathered.
std::tuple<at::Tensor, at::Tensor> environment_loss(const at::Tensor& z1, const at::Tensor& z2,
                                                    const at::Tensor& environment, int64_t num_env,
                                                    double temperature, double irm_temperature);

}  // namespace ipirm::ops

// InfoNCE and IRM penalty inside each environment of each partition (METHOD 4), differentiable.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

namespace ipirm::ops {

// z1, z2           (B, d) float32, float64 or, computed in float32, float16 and bfloat16: the two
//                  views' projections, rows of length 1 (l_ij = z_i·z_j / T). Rows of other lengths
//                  are taken as they are, with one warning in a process on the CPU.
// environment      (P, B) int64 on the same device, 0..num_env-1: each sample's environment in each
//                  of P partitions
// num_env          at least 1: K, the environments of a partition
// temperature      above 0: T of contrastive
// irm_temperature  above 0: T' of the penalty
//
// Returns contrastive (P, K), InfoNCE over each environment's samples alone, and penalty (P, K),
// Σ_k g_k² of InfoNCE at T'. Both are 0 for an environment with one sample or none. They are
// differentiable once in z1 and z2. No host synchronisation: environments are masked, never
// gathered.
//
// Throws c10::Error for shapes, types, devices or numbers that do not fit and, on the CPU, for an
// environment out of range; and where its gradient is differentiated in its turn.
std::tuple<at::Tensor, at::Tensor> environment_loss(const at::Tensor& z1, const at::Tensor& z2,
                                                    const at::Tensor& environment, int64_t num_env,
                                                    double temperature, double irm_temperature);

}  // namespace ipirm::ops

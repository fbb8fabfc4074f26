// The contrastive risk of soft environments and its gradient in closed form (METHOD 5 and 10): no
// autograd graph, no matrix over all pairs.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops {

// z1, z2     (n, d) the two views' projections, rows of length 1 (others are taken as they
//            are, with one warning on the CPU); float32, float64 or, computed in float32, float16
//            and bfloat16; any device
// weights    (N, K) >= 0, the samples' weights in each environment, K >= 1
// index      (N) int64, which rows of z1 and z2 the samples are, each 0..n-1; all n where not given
// N >= 2. Returns contrastive (K), penalty (K) and grad (N, K) = d(mean contrastive + irm_weight *
// mean penalty)/d weights, of their dtype. irm_weight may be 0: the gradient of the mean
// contrastive term alone. Extra memory: about 64 MB and a copy or two of the chosen features,
// whatever N is. On the CPU a fused kernel, whose result does not depend on the number of threads;
// elsewhere ATen operations without host synchronisation. Throws c10::Error for shapes, dtypes or
// ranges that do not fit.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm = false,
    const std::optional<at::Tensor>& index = std::nullopt);

}  // namespace ipirm::ops

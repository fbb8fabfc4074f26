// The contrastive risk of soft environments and its gradient in closed form (SPEC 5 and 10): no
// autograd graph, no matrix over all pairs.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

namespace ipirm::ops {

// z1, z2     (n, d) the two views' projections, n >= 2, float32 or float64, any device
// weights    (n, K) >= 0, the samples' weights in each environment
// Returns contrastive (K), penalty (K) and grad (n, K) = d(mean contrastive + irm_weight * mean
// penalty)/d weights. irm_weight may be 0: the gradient of the mean contrastive term alone. Works
// in blocks of rows; its extra memory is at most about 64 MB whatever n is. No host
// synchronisation. Throws c10::Error for shapes, dtypes or ranges that do not fit.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm = false);

}  // namespace ipirm::ops

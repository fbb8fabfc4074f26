// partition_risk in closed form with ATen operations: the oracle of the fused kernels, and the path
// on a GPU.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops::aten {

// As ops::partition_risk, for checked tensors on any device. No host synchronisation.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm, const std::optional<at::Tensor>& index);

}  // namespace ipirm::ops::aten

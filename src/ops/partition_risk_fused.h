// partition_risk on the CPU by tiles: no matrix over all pairs, all environments at once.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops::fused {

// As ops::partition_risk, for checked CPU tensors of float32 or float64.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, double temperature,
    double irm_temperature, double irm_weight, bool nonorm, const std::optional<at::Tensor>& index);

}  // namespace ipirm::ops::fused

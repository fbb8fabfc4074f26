// partition_risk_mixup on the CPU by tiles.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops::fused {

// As ops::partition_risk_mixup, for checked CPU tensors of float32 or float64.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_mixup(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double temperature, double irm_weight, bool nonorm);

}  // namespace ipirm::ops::fused

// partition_risk_mixup with ATen operations: any device, and what faster kernels are compared with.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

namespace ipirm::ops::aten {

// As ipirm::ops::partition_risk_mixup, whose argument checks it relies on.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_mixup(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double temperature, double irm_weight, bool nonorm);

}  // namespace ipirm::ops::aten

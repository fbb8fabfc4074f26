// partition_risk_mixup in closed form, whatever computes the products over pairs.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <tuple>

#include "ops/mixup_products.h"

namespace ipirm::ops {

// As ops::partition_risk_mixup; weights, lam and what the products take and give are of one dtype.
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_mixup_closed_form(
    MixupProducts& products, const at::Tensor& weights, const at::Tensor& lam,
    const std::optional<at::Tensor>& partner, double irm_weight, bool nonorm);

}  // namespace ipirm::ops

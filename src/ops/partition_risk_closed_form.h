// partition_risk in closed form, whatever computes the products over pairs.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

#include "ops/pair_products.h"

namespace ipirm::ops {

// As ops::partition_risk, but all results are of float64.
// Views         Loops or WholeTensors (risk_views.h): how the mathematics between the products is
//               done
// products      at the contrastive term's temperature
// irm_products  at the penalty's; the same object where the temperatures are equal
// weights       (N, K) of any floating-point type, on the products' device
template <class Views>
std::tuple<at::Tensor, at::Tensor, at::Tensor> partition_risk_closed_form(
    PairProducts& products, PairProducts& irm_products, const at::Tensor& weights,
    double irm_weight, bool nonorm);

}  // namespace ipirm::ops

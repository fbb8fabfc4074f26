// environment_loss on the CPU: sums over pairs by tiles, all partitions and environments at once.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

namespace ipirm::ops::fused {

// Whether exponentials of the inner products of z1, z2 (B, d) over the temperatures can be taken as
// they are. Where they can't (and where a feature is NaN), the ATen form is the exact way.
bool exponents_fit(const at::Tensor& z1, const at::Tensor& z2, double temperature,
                   double irm_temperature);

// As ops::environment_loss for checked CPU tensors, without a graph: contrastive (P, K), penalty
// (P, K) and what the backward pass needs of the forward one.
std::tuple<at::Tensor, at::Tensor, at::Tensor> environment_loss_forward(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& environment, int64_t num_env,
    double temperature, double irm_temperature);

// Gradients with respect to z1 and z2, given those of contrastive and penalty and the state that
// the forward pass left.
std::tuple<at::Tensor, at::Tensor> environment_loss_backward(
    const at::Tensor& grad_contrastive, const at::Tensor& grad_penalty, const at::Tensor& z1,
    const at::Tensor& z2, const at::Tensor& environment, const at::Tensor& state, int64_t num_env,
    double temperature, double irm_temperature);

}  // namespace ipirm::ops::fused

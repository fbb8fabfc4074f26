// environment_loss and its gradient with ATen operations: any device, and what faster kernels are
// compared with.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

#include "ops/row_blocks.h"

namespace ipirm::ops::aten {

// Contrastive and penalty, (P, K) each, as ipirm::ops::environment_loss, whose argument checks both
// functions rely on, and a state of zeros, which the backward pass does not need. In blocks of
// rows: extra memory is at most about 64 MB whatever B is, beside what is proportional to B. No
// host synchronisation and no autograd graph.
std::tuple<at::Tensor, at::Tensor, at::Tensor> environment_loss_forward(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& environment, int64_t num_env,
    double temperature, double irm_temperature, const BlockLimits& limits);

// Gradients with respect to z1 and z2, (B, d) each, of Σ grad_contrastive∘contrastive +
// grad_penalty∘penalty; grad_contrastive and grad_penalty (P, K).
std::tuple<at::Tensor, at::Tensor> environment_loss_backward(
    const at::Tensor& grad_contrastive, const at::Tensor& grad_penalty, const at::Tensor& z1,
    const at::Tensor& z2, const at::Tensor& environment, int64_t num_env, double temperature,
    double irm_temperature, const BlockLimits& limits);

}  // namespace ipirm::ops::aten

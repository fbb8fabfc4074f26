// The shapes of what the two partition risks return, for FakeTensor, torch.compile and the meta
// device.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

#include "ops/inputs.h"

namespace ipirm::ops {

// contrastive (K), penalty (K) and grad (N, K) for features z1 (n, d) and weights (N, K).
inline std::tuple<at::Tensor, at::Tensor, at::Tensor> risk_shapes(const at::Tensor& z1,
                                                                  const at::Tensor& weights) {
  TORCH_CHECK(weights.dim() == 2 && z1.dim() == 2, "ipirm: z1 (n, d) and weights (n, K) expected");
  const auto contrastive = weights.new_empty_symint(
      {weights.sym_size(1)}, weights.options().dtype(widened(weights.scalar_type())));
  return {contrastive, at::empty_like(contrastive), at::empty_like(weights)};
}

}  // namespace ipirm::ops

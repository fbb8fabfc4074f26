// The products with the matrices over pairs that partition_risk_mixup is made of.
//
// Letters: n samples, K environments, i row (mixed view), j column (unmixed view), p(i) the partner
// of i; l = z1 z2ᵀ / T, E_ij = exp(l_ij - m_i) for j != i and 0 at j = i, H = E∘l.
#pragma once

#include <ATen/ATen.h>

namespace ipirm::ops {

class MixupProducts {
 public:
  virtual ~MixupProducts() = default;
  at::Tensor max;    // (n, 1) m_i
  at::Tensor own;    // (n, 1) l_ii
  at::Tensor other;  // (n, 1) l_ip; undefined without partners
  // All (n, K) -> (n, K).
  virtual at::Tensor row_sums(const at::Tensor& x) = 0;       // Σ_j E_ij x_j
  virtual at::Tensor row_sums_h(const at::Tensor& x) = 0;     // Σ_j H_ij x_j
  virtual at::Tensor column_sums(const at::Tensor& x) = 0;    // Σ_i E_ij x_i
  virtual at::Tensor column_sums_h(const at::Tensor& x) = 0;  // Σ_i H_ij x_i
};

}  // namespace ipirm::ops

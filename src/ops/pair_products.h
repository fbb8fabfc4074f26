// The products with the matrices over pairs of views that partition_risk is made of, at one
// temperature T. Each implementation computes them in its own way, and no matrix has to exist as a
// whole.
//
// Letters: N samples, K environments; i row view, j column view, p(i) the other view of i's sample;
// S_ij = z_i·z_j, l = S/T, E_ij = exp(l_ij - m_i) where i and j are views of different samples and
// 0 elsewhere, H = E∘S (METHOD 10 has E∘l = H/T).
//
// All tensors are (K, 2, N) in float64, on the features' device: [e][v][r] belongs to environment e
// and to view v of sample r. Where a number is the same for all environments or for both views,
// that size is 1.
#pragma once

#include <ATen/ATen.h>

namespace ipirm::ops {

class PairProducts {
 public:
  explicit PairProducts(double temperature) : temperature_(temperature) {}
  virtual ~PairProducts() = default;
  double temperature() const { return temperature_; }

  struct RowSums {
    at::Tensor sum;       // (K, 2, N) Σ_j E_ij x_j
    at::Tensor positive;  // (1, 1, N) l_ip
    at::Tensor max;       // (1, 2, N) m_i, which E stays relative to; (1, 1, 1) where m is 0
  };
  // x (K, 1 or 2, N). It comes first: the other products rely on the m_i that it finds.
  virtual RowSums row_sums(const at::Tensor& x) = 0;

  // What a column j shares with the rows of later samples than its own, and with those of earlier
  // ones: in the two kinds of rows it stands at different positions (METHOD 10). What belongs to
  // sample 0 and earlier rows is 0 where it is returned, and not read where it is given.
  struct ByPosition {
    at::Tensor later, earlier;  // (K, 2, N)
  };
  // Position sums: Σ_i H_ij x_i over the rows of later and over those of earlier samples. x (K, 2,
  // N).
  virtual ByPosition position_sums(const at::Tensor& x) = 0;
  // Row sums by position: Σ_j H_ij x_j, with x.later where i's sample is later than j's, otherwise
  // x.earlier.
  virtual at::Tensor row_sums_by_position(const ByPosition& x) = 0;
  // Transposed product: Σ_i E_ij x_i. x (K, 2, N).
  virtual at::Tensor transposed_sums(const at::Tensor& x) = 0;

 private:
  double temperature_;
};

}  // namespace ipirm::ops

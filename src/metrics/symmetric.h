// A symmetric positive definite matrix that is solved for.
#pragma once

#include "ipirm/metrics/sample.h"

namespace ipirm::metrics {

class Cholesky {
 public:
  // matrix (A, A): its upper half alone is read. Pivots that rounding made too small are lifted.
  explicit Cholesky(Matrix matrix);
  // Turns the A numbers b into the x of matrix * x = b.
  void solve(double* numbers) const;

 private:
  Matrix upper_;
};

}  // namespace ipirm::metrics

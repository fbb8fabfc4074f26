// A symmetric positive definite matrix that is solved for.
#pragma once

#include "ipirm/metrics/sample.h"

namespace ipirm::metrics {

class Cholesky {
 public:
  // matrix (A, A): its lower half alone is read. Pivots that rounding made too small are lifted.
  explicit Cholesky(Matrix matrix);
  // The X of matrix * X = right, (A, R).
  Matrix solve(Matrix right) const;

 private:
  Matrix lower_;
};

}  // namespace ipirm::metrics

// Fewer codes that say the same, where there are more codes than samples.
#pragma once

#include "ipirm/metrics/sample.h"

namespace ipirm::metrics {

// Orthonormal directions that the samples' codes are made of: codes = coordinates * directions. A
// penalty on squared weights sees no turn, and weights across all samples' codes are 0 at a
// minimum: a regression on the coordinates finds that on the codes.
struct RowSpace {
  explicit RowSpace(const Matrix& codes);
  // (D, R) of the codes from (r, R) of the coordinates, and back.
  Matrix of_codes(const Matrix& weights) const;
  Matrix of_coordinates(const Matrix& weights) const;

  Matrix coordinates;  // (n, r), r at most n: fewer where samples' codes depend on each other
  Matrix directions;   // (r, D)
};

}  // namespace ipirm::metrics

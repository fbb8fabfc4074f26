// Cholesky's decomposition, row by row.
#include "metrics/symmetric.h"

#include <algorithm>
#include <cmath>

namespace ipirm::metrics {
namespace {

constexpr double kLeastPivot = 1e-14;  // as a share of the diagonal

}  // namespace

Cholesky::Cholesky(Matrix matrix) : lower_(std::move(matrix)) {
  const int64_t size = lower_.rows;
  for (int64_t a = 0; a < size; ++a) {
    const double diagonal = lower_(a, a);
    for (int64_t b = 0; b <= a; ++b) {
      double rest = lower_(a, b);
      for (int64_t c = 0; c < b; ++c) rest -= lower_(a, c) * lower_(b, c);
      if (b < a) {
        lower_(a, b) = rest / lower_(b, b);
      } else {
        lower_(a, a) = std::sqrt(std::max({rest, kLeastPivot * diagonal, 1e-300}));
      }
    }
  }
}

Matrix Cholesky::solve(Matrix right) const {
  const int64_t size = lower_.rows, columns = right.columns;
  const auto subtract = [&](int64_t to, int64_t from, double times) {
    for (int64_t r = 0; r < columns; ++r) right(to, r) -= times * right(from, r);
  };
  for (int64_t a = 0; a < size; ++a) {
    for (int64_t b = 0; b < a; ++b) subtract(a, b, lower_(a, b));
    for (int64_t r = 0; r < columns; ++r) right(a, r) /= lower_(a, a);
  }
  for (int64_t a = size - 1; a >= 0; --a) {
    for (int64_t r = 0; r < columns; ++r) right(a, r) /= lower_(a, a);
    for (int64_t b = 0; b < a; ++b) subtract(b, a, lower_(a, b));
  }
  return right;
}

}  // namespace ipirm::metrics

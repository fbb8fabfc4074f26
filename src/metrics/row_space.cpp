// Gram and Schmidt, each sample twice: what rounding left of the others the first time goes then.
#include "metrics/row_space.h"

#include <cmath>
#include <vector>

#include "metrics/vectors.h"

namespace ipirm::metrics {
namespace {

constexpr double kNothingLeft = 1e-13;  // as a share of a sample's length: rounding alone

}  // namespace

RowSpace::RowSpace(const Matrix& codes) {
  const int64_t n = codes.rows, D = codes.columns;
  Matrix found(n, D), all(n, n);
  int64_t r = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> left(&codes(i, 0), &codes(i, 0) + D);
    const double whole = std::sqrt(inner(left.data(), left.data(), D));
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t d = 0; d < r; ++d) {
        const double along = inner(&found(d, 0), left.data(), D);
        all(i, d) += along;
        add_row(left.data(), -along, &found(d, 0), D);
      }
    }
    const double length = std::sqrt(inner(left.data(), left.data(), D));
    if (length <= kNothingLeft * whole) continue;
    all(i, r) = length;
    add_row(&found(r++, 0), 1 / length, left.data(), D);
  }
  coordinates = Matrix(n, r);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t d = 0; d < r; ++d) coordinates(i, d) = all(i, d);
  }
  found.values.resize(static_cast<size_t>(r * D));
  found.rows = r;
  directions = std::move(found);
}

Matrix RowSpace::of_codes(const Matrix& weights) const {
  Matrix result(directions.columns, weights.columns);
  for (int64_t d = 0; d < directions.rows; ++d) {
    for (int64_t code = 0; code < directions.columns; ++code)
      add_row(&result(code, 0), directions(d, code), &weights(d, 0), weights.columns);
  }
  return result;
}

Matrix RowSpace::of_coordinates(const Matrix& weights) const {
  Matrix result(directions.rows, weights.columns);
  for (int64_t d = 0; d < directions.rows; ++d) {
    for (int64_t code = 0; code < directions.columns; ++code)
      add_row(&result(d, 0), directions(d, code), &weights(code, 0), weights.columns);
  }
  return result;
}

}  // namespace ipirm::metrics

// Cholesky's decomposition into an upper half, a few rows at a time: what the rows above take away
// from these is read from memory once for all of them.
#include "metrics/symmetric.h"

#include <algorithm>
#include <cmath>

#include "metrics/vectors.h"

namespace ipirm::metrics {
namespace {

constexpr double kLeastPivot = 1e-14;  // as a share of the diagonal
constexpr int64_t kPanel = 8;          // rows at a time

}  // namespace

Cholesky::Cholesky(Matrix matrix) : upper_(std::move(matrix)) {
  const int64_t size = upper_.rows;
  const auto subtract = [&](int64_t a, int64_t first, int64_t last) {
    add_all_rows(
        &upper_(a, a), last - first, [&](int64_t m) { return -upper_(first + m, a); },
        [&](int64_t m) { return &upper_(first + m, a); }, size - a);
  };
  for (int64_t panel = 0; panel < size; panel += kPanel) {
    const int64_t end = std::min(panel + kPanel, size);
    double diagonals[kPanel];
    for (int64_t a = panel; a < end; ++a) diagonals[a - panel] = upper_(a, a);
    for (int64_t first = 0; first < panel; first += kRowsAtOnce) {
      for (int64_t a = panel; a < end; ++a) subtract(a, first, first + kRowsAtOnce);
    }
    for (int64_t a = panel; a < end; ++a) {
      subtract(a, panel, a);
      const double pivot =
          std::sqrt(std::max({upper_(a, a), kLeastPivot * diagonals[a - panel], 1e-300}));
      upper_(a, a) = pivot;
      for (int64_t b = a + 1; b < size; ++b) upper_(a, b) /= pivot;
    }
  }
}

void Cholesky::solve(double* numbers) const {
  const int64_t size = upper_.rows;
  for (int64_t a = 0; a < size; ++a) {
    numbers[a] /= upper_(a, a);
    add_row(numbers + a + 1, -numbers[a], &upper_(a, a) + 1, size - a - 1);
  }
  for (int64_t a = size - 1; a >= 0; --a) {
    numbers[a] -= inner(&upper_(a, a) + 1, numbers + a + 1, size - a - 1);
    numbers[a] /= upper_(a, a);
  }
}

}  // namespace ipirm::metrics

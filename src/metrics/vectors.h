// Sums of rows of numbers: the loops that regressions spend their time in.
#pragma once

#include <cstdint>

namespace ipirm::metrics {

constexpr int64_t kRowsAtOnce = 4;

// sum[j] += factors[0] * rows[0][j] + ... for j in 0..count-1. The rows and the sum do not overlap.
void add_rows(double* sum, const double (&factors)[kRowsAtOnce],
              const double* const (&rows)[kRowsAtOnce], int64_t count);

// sum[j] += factor * row[j], likewise.
void add_row(double* sum, double factor, const double* row, int64_t count);

// The sum of a[j] * b[j].
double inner(const double* a, const double* b, int64_t count);

// sum[j] += the sum over m in 0..num_rows-1 of factor(m) * row(m)[j].
template <class Factor, class Row>
void add_all_rows(double* sum, int64_t num_rows, const Factor& factor, const Row& row,
                  int64_t count) {
  int64_t m = 0;
  for (; m + kRowsAtOnce <= num_rows; m += kRowsAtOnce) {
    add_rows(sum, {factor(m), factor(m + 1), factor(m + 2), factor(m + 3)},
             {row(m), row(m + 1), row(m + 2), row(m + 3)}, count);
  }
  for (; m < num_rows; ++m) add_row(sum, factor(m), row(m), count);
}

}  // namespace ipirm::metrics

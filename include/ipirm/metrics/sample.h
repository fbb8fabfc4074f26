// What the metrics look at: a code's numbers for each sample, and the known factors' values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ipirm::metrics {

// A table of numbers, row after row.
struct Matrix {
  Matrix() = default;
  Matrix(int64_t num_rows, int64_t num_columns)
      : rows(num_rows),
        columns(num_columns),
        values(static_cast<size_t>(num_rows * num_columns), 0.0) {}

  double& operator()(int64_t row, int64_t column) {
    return values[static_cast<size_t>(row * columns + column)];
  }
  const double& operator()(int64_t row, int64_t column) const {
    return values[static_cast<size_t>(row * columns + column)];
  }
  std::vector<double> column(int64_t number) const;

  int64_t rows = 0, columns = 0;
  std::vector<double> values;  // rows * columns of them
};

// One factor's value for each sample; any integers, of which equal ones are one value.
using Values = std::vector<int64_t>;

// n samples: codes (n, D), finite, and each factor's n values.
struct Sample {
  Matrix codes;
  std::vector<Values> factors;
};

// The values that occur, in ascending order, and the place of each sample's value among them.
struct Classes {
  explicit Classes(const Values& values);
  int64_t count() const { return static_cast<int64_t>(names.size()); }
  // The place of a value among the names; -1 where it is none of them.
  int64_t place(int64_t value) const;

  std::vector<int64_t> names;
  std::vector<int64_t> of_sample;  // 0..count()-1
  std::vector<int64_t> sizes;      // samples of each
};

// The share of places where the two agree; 0 for none at all.
double agreement(const Values& found, const Values& expected);

// The mean; 0 for no numbers.
double mean(const std::vector<double>& numbers);
// Mean squared distance from the mean.
double variance(const std::vector<double>& numbers);
// Whether a code never changes but by rounding: a dead one.
bool is_dead(const std::vector<double>& code);

}  // namespace ipirm::metrics

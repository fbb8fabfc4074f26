// Golden values of tests/golden/metrics as plain numbers, and comparisons with them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "support/golden.h"

namespace ipirm::metrics::testing {

inline std::vector<double> golden_numbers(const std::string& array) {
  const auto values = ipirm::testing::golden("metrics", array).to(torch::kFloat64);
  const double* first = values.const_data_ptr<double>();
  return {first, first + values.numel()};
}

inline double golden_number(const std::string& key) {
  return ipirm::testing::golden_scalar("metrics", key);
}

inline Matrix golden_matrix(const std::string& array) {
  const auto values = ipirm::testing::golden("metrics", array);
  Matrix result(values.size(0), values.size(1));
  result.values = golden_numbers(array);
  return result;
}

// Each number within `tolerance` of the expected one.
inline auto AllNear(const std::vector<double>& expected, double tolerance) {
  return ::testing::Pointwise(::testing::DoubleNear(tolerance), expected);
}

}  // namespace ipirm::metrics::testing

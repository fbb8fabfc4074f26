// How close an operator's results must be, and comparisons with these tolerances.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include "support/golden.h"

namespace ipirm::ops {

// Each relative to the largest expected absolute value. A penalty squares sums that nearly cancel,
// and a gradient divides by a row's sum of exponentials: either costs a digit or so.
struct Tolerances {
  double contrastive, penalty, grad;
};
// Two ways through the same mathematics in float64 (rounding 1e-16): sums of up to a few hundred
// terms, in another order and grouped otherwise.
inline constexpr Tolerances kOtherWay{1e-12, 1e-11, 1e-10};
// The same for the smaller, hard environments of environment_loss, whose gradient has no divisions
// by sums of small weights.
inline constexpr Tolerances kOtherWayHard{1e-12, 1e-11, 1e-11};
// One way through, in float64, with samples or environments renamed: only the order of sums
// differs.
inline constexpr Tolerances kRenamed{1e-13, 1e-13, 1e-12};
// The golden values come from the reference's float64 and are written with 17 digits; its sums over
// pairs take another order, and its logarithms of sums are not shifted.
inline constexpr Tolerances kGolden{1e-9, 1e-9, 1e-9};
// float32 (rounding 6e-8) beside float64 on the same inputs: logits of up to 100 are off by 6e-6.
inline constexpr Tolerances kFloat32{1e-5, 1e-4, 3e-4};

// What the partition risks return, and environment_loss with one of its gradients.
struct Risk {
  torch::Tensor contrastive, penalty, grad;
};

inline void expect_close(const torch::Tensor& found, const torch::Tensor& expected,
                         double tolerance) {
  EXPECT_LT(testing::relative_error(found, expected), tolerance);
}
inline void expect_close(const Risk& found, const Risk& expected, const Tolerances& tolerances) {
  expect_close(found.contrastive, expected.contrastive, tolerances.contrastive);
  expect_close(found.penalty, expected.penalty, tolerances.penalty);
  expect_close(found.grad, expected.grad, tolerances.grad);
}

inline void expect_finite(const Risk& found) {
  for (const auto& tensor : {found.contrastive, found.penalty, found.grad}) {
    EXPECT_TRUE(tensor.isfinite().all().item<bool>());
  }
}

// Central differences of a function of order 1 with third derivatives of order 10 are off by
// 10 step² = 1e-9, and by 1e-16 / step = 1e-11 for rounding; steep functions by a digit more.
inline constexpr double kDifferenceStep = 1e-5;
inline constexpr double kDifferences = 1e-8, kSteepDifferences = 1e-7;

// grad is the gradient of value(point), a number, with respect to each entry of the matrix `point`.
template <class Value>
void expect_gradient_is_that_of_differences(const Value& value, const torch::Tensor& point,
                                            const torch::Tensor& grad, double tolerance) {
  ASSERT_EQ(grad.sizes(), point.sizes());
  for (int64_t row = 0; row < point.size(0); ++row) {
    for (int64_t column = 0; column < point.size(1); ++column) {
      auto up = point.clone(), down = point.clone();
      up[row][column] += kDifferenceStep;
      down[row][column] -= kDifferenceStep;
      EXPECT_NEAR((value(up) - value(down)) / (2 * kDifferenceStep),
                  grad[row][column].template item<double>(), tolerance)
          << row << ", " << column;
    }
  }
}

}  // namespace ipirm::ops

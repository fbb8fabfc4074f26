// The objective of a logistic regression at one point: value, gradient, products with its second
// derivatives, and a matrix that resembles these.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// Parameters, gradients and directions are (A, R): a row for each of the D codes and one for the
// intercept, a column for each score.
class LogisticLoss {
 public:
  LogisticLoss(const Matrix& codes, const Classes& classes, double C, const Workers& workers);

  int64_t num_parameters() const { return codes_.columns + 1; }  // A
  int64_t num_scores() const { return num_scores_; }             // R

  // The objective. What follows is asked at this point.
  double move_to(const Matrix& parameters);
  Matrix gradient() const;
  // What the second derivatives make of a direction.
  Matrix curvature_times(const Matrix& direction) const;
  // (A, A), lower half: the mean of the scores' own second derivatives.
  Matrix mean_curvature() const;

 private:
  // Sums over the samples, in an order that does not depend on the number of threads, the products
  // of each sample's codes (and 1) with what `of_sample` gives for it, R numbers.
  template <class OfSample>
  Matrix sum_of_products(const OfSample& of_sample) const;
  int64_t steps_of_block() const;
  void scores_of(int64_t sample, const Matrix& parameters, double* scores) const;
  // Turns one sample's scores into probabilities; returns its log-loss.
  double to_probabilities(int64_t sample, double* scores) const;

  const Matrix& codes_;
  const Classes& classes_;
  double C_;
  const Workers& workers_;
  int64_t num_scores_;
  Matrix parameters_;
  Matrix probabilities_;  // (n, R)
};

}  // namespace ipirm::metrics

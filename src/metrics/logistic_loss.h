// The objective of a logistic regression at one point: value, gradient, products with its second
// derivatives, and parts of these.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// Parameters, gradients and directions are (R, A): a row for each score, a column for each of the D
// codes and one for the intercept. What one score has to do with another is (A, A).
class LogisticLoss {
 public:
  LogisticLoss(const Matrix& codes, const Classes& classes, double C, const Workers& workers);

  int64_t num_samples() const { return codes_.rows; }
  int64_t num_parameters() const { return codes_.columns + 1; }  // A
  int64_t num_scores() const { return num_scores_; }             // R

  // The objective. What follows is asked at this point.
  double move_to(const Matrix& parameters);
  Matrix gradient() const;
  // What the second derivatives make of a direction.
  Matrix curvature_times(const Matrix& direction) const;
  // (A, A), upper half: the mean of the scores' own second derivatives.
  Matrix mean_curvature() const;
  // (A, A), upper half, for each score: its own second derivatives.
  std::vector<Matrix> own_curvatures() const;
  // (R * A, R * A), upper half, score after score: all second derivatives but small ones, and a
  // term that holds what the softmax does not see, a shift of all intercepts.
  Matrix full_curvature() const;

 private:
  // The sum over the samples, in an order that does not depend on the number of threads, of C *
  // factor[r] * codes and 1, for each score. of_block(first, last, factors): writes the factors of
  // these samples, (R, kBlock).
  template <class OfBlock>
  Matrix sum_of_products(const OfBlock& of_block) const;
  // For each list of samples and their weights, (A, A), upper half: the sum of weight * products of
  // the sample's codes, and 1, with each other.
  struct Weighted {
    int64_t sample;
    double weight;
  };
  std::vector<Matrix> sums_of_squares(const std::vector<std::vector<Weighted>>& lists) const;
  // Those whose weight, of_sample(i), is more than `negligible` in size.
  template <class OfSample>
  std::vector<Weighted> weighted(const OfSample& of_sample, double negligible) const;
  std::vector<Weighted> own_weights(int64_t score) const;
  // The scores (R, kBlock) of the samples first..last-1.
  void scores_of(int64_t first, int64_t last, const Matrix& parameters, Matrix& scores) const;
  // Turns them into probabilities, also in probabilities_; returns the sum of the log-losses.
  double to_probabilities(int64_t first, int64_t last, Matrix& scores);
  int64_t steps_of_block() const;

  const Matrix& codes_;
  const Classes& classes_;
  double C_;
  const Workers& workers_;
  int64_t num_scores_;
  Matrix by_code_;  // (D, n): the codes again, column after column
  Matrix parameters_;
  Matrix probabilities_;  // (R, n)
};

// Takes from each column of (R, A) its mean where R > 1, which is 0 but for rounding: the softmax
// does not see it, and nothing would stop it from growing.
void centre(Matrix& of_scores);

}  // namespace ipirm::metrics

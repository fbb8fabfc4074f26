// Logistic regression to convergence, and what classifiers made of it reach: explicitness (Ridgeway
// & Mozer 2018) and accuracy.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// Scores of a sample: codes times weights, plus intercept.
struct LogisticModel {
  Matrix weights;                 // (D, R): R = 1 for two classes, otherwise one a class
  std::vector<double> intercept;  // R
  double objective = 0;           // at the end of the training

  // Probability of each class, (n, K).
  Matrix probabilities(const Matrix& codes, const Workers& workers) const;
};

// The minimum of C * sum of the samples' log-losses + half the squared length of the weights, whose
// intercepts are free. K >= 2 classes; two share one score, which stands for the larger one; more
// have a softmax. C > 0. start: of the same shape, where the search begins; null: zeros. The same
// bits for any number of threads. Without meaning once core::interrupted().
LogisticModel fit_logistic(const Matrix& codes, const Classes& classes, double C,
                           const LogisticModel* start, const Workers& workers);

// Area under the curve of true over false positives: the chance that a sample inside has a higher
// score than one outside, ties half. At least one of each.
double area_under_curve(const std::vector<double>& scores, const std::vector<uint8_t>& inside);

// Of each factor: mean over its classes of the area under the curve of its probability against the
// rest, 0..1 where .5 is chance, on standardised codes with C = 1.
struct Explicitness {
  // A class that `test` lacks is left out there; NaN where it has one class alone.
  std::vector<double> train, test;
};
Explicitness explicitness(const Sample& train, const Sample& test, const Workers& workers);

// Of each factor: accuracy of a regression on the codes as they are, whose C is the best of ten
// between 1e-4 and 1e4 in five contiguous folds.
struct LogisticAccuracy {
  std::vector<double> C, train, test;
};
LogisticAccuracy logistic_accuracy(const Sample& train, const Sample& test, const Workers& workers);

}  // namespace ipirm::metrics

// Separated attribute predictability (Kumar et al. 2018), in its discrete form: what a linear
// machine on one code alone finds out about a factor.
#pragma once

#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// A line on one code that separates a class from the rest: positive inside the class.
struct Line {
  double weight = 0, bias = 0;
};

// The lines of a linear support vector machine with squared hinge, C = .01, weight and bias
// penalised, both sides of a line weighted alike: one line for two classes, positive for the
// larger, and one a class for more. code: n finite numbers.
std::vector<Line> separate(const std::vector<double>& code, const Classes& classes);

// (D, F): accuracy on `test` of the lines found on `train`.
Matrix attribute_predictability(const Sample& train, const Sample& test, const Workers& workers);

// Mean over the factors of how far the best code is ahead of the second best. (D, F), D >= 2.
double predictability_gap(const Matrix& accuracy);

}  // namespace ipirm::metrics

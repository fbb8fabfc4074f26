// Newton's method, whose linear systems conjugate gradients solve with the scores' mean curvature
// as the preconditioner: exact for two classes, close for more.
#include "ipirm/metrics/logistic_regression.h"

#include <algorithm>
#include <cmath>

#include "ipirm/core/interrupt.h"
#include "metrics/logistic_loss.h"
#include "metrics/symmetric.h"

namespace ipirm::metrics {
namespace {

constexpr int kMostSteps = 200;     // of Newton's method
constexpr int kMostProducts = 500;  // with the second derivatives, for one step
constexpr double kEnough = 1e-14;   // what a step may still gain, as a share of the objective

double inner(const Matrix& a, const Matrix& b) {
  double sum = 0;
  for (size_t p = 0; p < a.values.size(); ++p) sum += a.values[p] * b.values[p];
  return sum;
}

// a + times * b
Matrix plus(const Matrix& a, double times, const Matrix& b) {
  Matrix result = a;
  for (size_t p = 0; p < a.values.size(); ++p) result.values[p] += times * b.values[p];
  return result;
}

// The step s of curvature * s = -gradient, until what is missing has fallen to `share`.
Matrix newton_step(const LogisticLoss& loss, const Matrix& gradient, double share) {
  const Cholesky preconditioner(loss.mean_curvature());
  Matrix step(gradient.rows, gradient.columns);
  Matrix missing = plus(step, -1, gradient);
  Matrix pulled = preconditioner.solve(missing);
  Matrix direction = pulled;
  double length = inner(missing, pulled);
  const double enough = length * share * share;
  for (int product = 0; product < kMostProducts && length > enough; ++product) {
    const Matrix bent = loss.curvature_times(direction);
    const double along = length / inner(direction, bent);
    step = plus(step, along, direction);
    missing = plus(missing, -along, bent);
    pulled = preconditioner.solve(missing);
    const double next = inner(missing, pulled);
    direction = plus(pulled, next / length, direction);
    length = next;
  }
  return step;
}

Matrix parameters_of(const LogisticModel& model) {
  Matrix result(model.weights.rows + 1, model.weights.columns);
  std::copy(model.weights.values.begin(), model.weights.values.end(), result.values.begin());
  std::copy(model.intercept.begin(), model.intercept.end(),
            result.values.end() - model.weights.columns);
  return result;
}

LogisticModel model_of(const Matrix& parameters, double objective) {
  LogisticModel model{Matrix(parameters.rows - 1, parameters.columns), {}, objective};
  const auto intercept = parameters.values.end() - parameters.columns;
  std::copy(parameters.values.begin(), intercept, model.weights.values.begin());
  model.intercept.assign(intercept, parameters.values.end());
  return model;
}

}  // namespace

LogisticModel fit_logistic(const Matrix& codes, const Classes& classes, double C,
                           const LogisticModel* start, const Workers& workers) {
  LogisticLoss loss(codes, classes, C, workers);
  Matrix at = start ? parameters_of(*start) : Matrix(loss.num_parameters(), loss.num_scores());
  double value = loss.move_to(at);
  double first_slope = 0;
  for (int taken = 0; taken < kMostSteps && !core::interrupted(); ++taken) {
    const Matrix gradient = loss.gradient();
    const double slope = std::sqrt(inner(gradient, gradient));
    if (slope == 0) break;
    if (taken == 0) first_slope = slope;
    const Matrix step = newton_step(loss, gradient, std::min(0.1, slope / first_slope));
    const double gain = -inner(gradient, step);
    double share = 1;
    Matrix next = plus(at, share, step);
    double there = loss.move_to(next);
    while (there > value - 1e-4 * share * gain + 1e-13 * std::abs(value) && share > 1e-10) {
      share /= 2;
      next = plus(at, share, step);
      there = loss.move_to(next);
    }
    at = std::move(next);
    value = there;
    if (gain <= kEnough * std::abs(value)) break;
  }
  return model_of(at, value);
}

Matrix LogisticModel::probabilities(const Matrix& codes, const Workers& workers) const {
  const int64_t R = weights.columns, K = R == 1 ? 2 : R;
  Matrix result(codes.rows, K);
  workers.each(
      codes.rows,
      [&](int64_t i, int) {
        std::vector<double> scores = intercept;
        for (int64_t d = 0; d < codes.columns; ++d) {
          for (int64_t r = 0; r < R; ++r)
            scores[static_cast<size_t>(r)] += codes(i, d) * weights(d, r);
        }
        if (R == 1) {
          result(i, 1) = 1 / (1 + std::exp(-scores[0]));
          result(i, 0) = 1 / (1 + std::exp(scores[0]));
          return;
        }
        const double largest = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double& score : scores) sum += score = std::exp(score - largest);
        for (int64_t r = 0; r < R; ++r) result(i, r) = scores[static_cast<size_t>(r)] / sum;
      },
      codes.columns * R);
  return result;
}

}  // namespace ipirm::metrics

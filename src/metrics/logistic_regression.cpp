// Newton's method, whose linear systems conjugate gradients solve with a preconditioner that
// becomes better where it pays.
#include "ipirm/metrics/logistic_regression.h"

#include <algorithm>
#include <cmath>

#include "ipirm/core/interrupt.h"
#include "metrics/logistic_loss.h"
#include "metrics/preconditioner.h"
#include "metrics/row_space.h"
#include "metrics/vectors.h"

namespace ipirm::metrics {
namespace {

constexpr int kMostSteps = 200;       // of Newton's method
constexpr int64_t kManyCodes = 2;     // for each sample: turning them pays
constexpr int kMostProducts = 500;    // with the second derivatives, for one step
constexpr double kEnough = 1e-14;     // what a step may still gain, as a share of the objective
constexpr double kLeastShare = 1e-6;  // of a gradient that a step leaves: rounding allows it always

double inner(const Matrix& a, const Matrix& b) {
  return metrics::inner(a.values.data(), b.values.data(), static_cast<int64_t>(a.values.size()));
}

// a + times * b
Matrix plus(Matrix a, double times, const Matrix& b) {
  add_row(a.values.data(), times, b.values.data(), static_cast<int64_t>(a.values.size()));
  return a;
}

struct Step {
  Matrix step;
  bool complete;  // otherwise a better preconditioner is due; what there is leads down, too
};

// The step s of curvature * s = -gradient, until what is missing has fallen to `share`.
Step newton_step(const LogisticLoss& loss, const Matrix& gradient, double share,
                 Preconditioner& preconditioner) {
  Matrix step(gradient.rows, gradient.columns);
  Matrix missing = plus(step, -1, gradient);
  Matrix pulled = preconditioner.solve(missing);
  Matrix direction = pulled;
  double length = inner(missing, pulled);
  const double enough = length * share * share;
  for (int product = 0; product < kMostProducts && length > enough; ++product) {
    if (product > 0 && preconditioner.improvement_is_due()) return {std::move(step), false};
    const Matrix bent = loss.curvature_times(direction);
    preconditioner.count_product();
    const double along = length / inner(direction, bent);
    step = plus(std::move(step), along, direction);
    missing = plus(std::move(missing), -along, bent);
    pulled = preconditioner.solve(missing);
    const double next = inner(missing, pulled);
    direction = plus(pulled, next / length, direction);
    length = next;
  }
  return {std::move(step), true};
}

Matrix parameters_of(const LogisticModel& model) {
  const int64_t D = model.weights.rows, R = model.weights.columns;
  Matrix result(R, D + 1);
  for (int64_t r = 0; r < R; ++r) {
    for (int64_t d = 0; d < D; ++d) result(r, d) = model.weights(d, r);
    result(r, D) = model.intercept[static_cast<size_t>(r)];
  }
  return result;
}

LogisticModel model_of(const Matrix& parameters, double objective) {
  const int64_t D = parameters.columns - 1, R = parameters.rows;
  LogisticModel model{Matrix(D, R), {}, objective};
  for (int64_t r = 0; r < R; ++r) {
    for (int64_t d = 0; d < D; ++d) model.weights(d, r) = parameters(r, d);
    model.intercept.push_back(parameters(r, D));
  }
  return model;
}

LogisticModel fit(const Matrix& codes, const Classes& classes, double C, const LogisticModel* start,
                  const Workers& workers) {
  LogisticLoss loss(codes, classes, C, workers);
  Matrix at = start ? parameters_of(*start) : Matrix(loss.num_scores(), loss.num_parameters());
  double value = loss.move_to(at);
  Preconditioner preconditioner(loss);
  double first_slope = 0;
  for (int taken = 0; taken < kMostSteps && !core::interrupted(); ++taken) {
    const Matrix gradient = loss.gradient();
    const double slope = std::sqrt(inner(gradient, gradient));
    if (slope == 0) break;
    if (taken == 0) first_slope = slope;
    if (preconditioner.improvement_is_due()) preconditioner.improve();
    const auto [step, complete] = newton_step(
        loss, gradient, std::clamp(slope / first_slope, kLeastShare, 0.1), preconditioner);
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
    if (complete && gain <= kEnough * std::abs(value)) break;
  }
  return model_of(at, value);
}

}  // namespace

LogisticModel fit_logistic(const Matrix& codes, const Classes& classes, double C,
                           const LogisticModel* start, const Workers& workers) {
  if (codes.columns < kManyCodes * codes.rows) return fit(codes, classes, C, start, workers);
  const RowSpace space(codes);
  if (space.directions.rows == 0) return fit(codes, classes, C, start, workers);
  LogisticModel turned;
  if (start) turned = {space.of_coordinates(start->weights), start->intercept, start->objective};
  auto model = fit(space.coordinates, classes, C, start ? &turned : nullptr, workers);
  model.weights = space.of_codes(model.weights);
  return model;
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

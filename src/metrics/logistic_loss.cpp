// Sums over samples go block by block, so that any number of threads adds in the same order.
#include "metrics/logistic_loss.h"

#include <algorithm>
#include <cmath>

namespace ipirm::metrics {
namespace {

constexpr int64_t kBlock = 512;  // samples a piece of work
constexpr int64_t kTile = 8;     // rows of a matrix a piece of work

int64_t num_pieces(int64_t count, int64_t piece) { return (count + piece - 1) / piece; }

// Takes from each row its mean, which is 0 but for rounding: the softmax does not see it, and
// nothing would stop it from growing.
void centre_rows(Matrix& of_scores) {
  const auto R = static_cast<size_t>(of_scores.columns);
  for (size_t row = 0; row < of_scores.values.size() && R > 1; row += R) {
    double sum = 0;
    for (size_t r = 0; r < R; ++r) sum += of_scores.values[row + r];
    for (size_t r = 0; r < R; ++r) of_scores.values[row + r] -= sum / static_cast<double>(R);
  }
}

}  // namespace

LogisticLoss::LogisticLoss(const Matrix& codes, const Classes& classes, double C,
                           const Workers& workers)
    : codes_(codes),
      classes_(classes),
      C_(C),
      workers_(workers),
      num_scores_(classes.count() == 2 ? 1 : classes.count()),
      probabilities_(codes.rows, num_scores_) {}

int64_t LogisticLoss::steps_of_block() const { return kBlock * num_parameters() * num_scores_; }

void LogisticLoss::scores_of(int64_t sample, const Matrix& parameters, double* scores) const {
  const int64_t D = codes_.columns, R = num_scores_;
  const double* row = &parameters.values[static_cast<size_t>(D * R)];
  std::copy(row, row + R, scores);
  row = parameters.values.data();
  for (int64_t d = 0; d < D; ++d, row += R) {
    const double code = codes_(sample, d);
    for (int64_t r = 0; r < R; ++r) scores[r] += code * row[r];
  }
}

double LogisticLoss::to_probabilities(int64_t sample, double* scores) const {
  const auto truth = classes_.of_sample[static_cast<size_t>(sample)];
  if (num_scores_ == 1) {
    const double toward = truth == 1 ? scores[0] : -scores[0];
    scores[0] = 1 / (1 + std::exp(-scores[0]));
    return std::max(-toward, 0.0) + std::log1p(std::exp(-std::abs(toward)));
  }
  const double largest = *std::max_element(scores, scores + num_scores_);
  const double of_truth = scores[truth] - largest;
  double sum = 0;
  for (int64_t r = 0; r < num_scores_; ++r) sum += scores[r] = std::exp(scores[r] - largest);
  for (int64_t r = 0; r < num_scores_; ++r) scores[r] /= sum;
  return std::log(sum) - of_truth;
}

double LogisticLoss::move_to(const Matrix& parameters) {
  parameters_ = parameters;
  const int64_t blocks = num_pieces(codes_.rows, kBlock);
  std::vector<double> losses(static_cast<size_t>(blocks), 0.0);
  workers_.each(
      blocks,
      [&](int64_t block, int) {
        const int64_t end = std::min((block + 1) * kBlock, codes_.rows);
        for (int64_t i = block * kBlock; i < end; ++i) {
          double* of_sample = &probabilities_(i, 0);
          scores_of(i, parameters_, of_sample);
          losses[static_cast<size_t>(block)] += to_probabilities(i, of_sample);
        }
      },
      steps_of_block());
  double loss = 0, squares = 0;
  for (const double of_block : losses) loss += of_block;
  for (int64_t p = 0; p < codes_.columns * num_scores_; ++p)
    squares +=
        parameters_.values[static_cast<size_t>(p)] * parameters_.values[static_cast<size_t>(p)];
  return C_ * loss + squares / 2;
}

template <class OfSample>
Matrix LogisticLoss::sum_of_products(const OfSample& of_sample) const {
  const int64_t D = codes_.columns, R = num_scores_;
  const int64_t blocks = num_pieces(codes_.rows, kBlock);
  std::vector<Matrix> sums(static_cast<size_t>(blocks));
  workers_.each(
      blocks,
      [&](int64_t block, int) {
        Matrix sum(D + 1, R);
        std::vector<double> factors(static_cast<size_t>(R));
        const int64_t end = std::min((block + 1) * kBlock, codes_.rows);
        for (int64_t i = block * kBlock; i < end; ++i) {
          of_sample(i, factors.data());
          double* row = sum.values.data();
          for (int64_t d = 0; d < D; ++d, row += R) {
            const double code = codes_(i, d);
            for (int64_t r = 0; r < R; ++r) row[r] += code * factors[static_cast<size_t>(r)];
          }
          for (int64_t r = 0; r < R; ++r) row[r] += factors[static_cast<size_t>(r)];
        }
        sums[static_cast<size_t>(block)] = std::move(sum);
      },
      steps_of_block());
  Matrix total(D + 1, R);
  for (const auto& sum : sums) {
    for (size_t p = 0; p < total.values.size(); ++p) total.values[p] += C_ * sum.values[p];
  }
  return total;
}

Matrix LogisticLoss::gradient() const {
  auto result = sum_of_products([&](int64_t i, double* factors) {
    const auto truth = classes_.of_sample[static_cast<size_t>(i)];
    for (int64_t r = 0; r < num_scores_; ++r) factors[r] = probabilities_(i, r);
    if (num_scores_ > 1) {
      factors[truth] -= 1;
    } else {
      factors[0] -= static_cast<double>(truth);
    }
  });
  for (int64_t p = 0; p < codes_.columns * num_scores_; ++p)
    result.values[static_cast<size_t>(p)] += parameters_.values[static_cast<size_t>(p)];
  centre_rows(result);
  return result;
}

Matrix LogisticLoss::curvature_times(const Matrix& direction) const {
  auto result = sum_of_products([&](int64_t i, double* factors) {
    scores_of(i, direction, factors);
    const double* p = &probabilities_.values[static_cast<size_t>(i * num_scores_)];
    double expected = num_scores_ == 1 ? p[0] * factors[0] : 0;
    for (int64_t r = 0; r < num_scores_ && num_scores_ > 1; ++r) expected += p[r] * factors[r];
    for (int64_t r = 0; r < num_scores_; ++r) factors[r] = p[r] * (factors[r] - expected);
  });
  for (int64_t p = 0; p < codes_.columns * num_scores_; ++p)
    result.values[static_cast<size_t>(p)] += direction.values[static_cast<size_t>(p)];
  centre_rows(result);
  return result;
}

Matrix LogisticLoss::mean_curvature() const {
  const int64_t A = num_parameters();
  std::vector<double> weights(static_cast<size_t>(codes_.rows), 0.0);
  for (int64_t i = 0; i < codes_.rows; ++i) {
    for (int64_t r = 0; r < num_scores_; ++r)
      weights[static_cast<size_t>(i)] += probabilities_(i, r) * (1 - probabilities_(i, r));
    weights[static_cast<size_t>(i)] *= C_ / static_cast<double>(num_scores_);
  }
  Matrix result(A, A);
  workers_.each(
      num_pieces(A, kTile),
      [&](int64_t tile, int) {
        const int64_t end = std::min((tile + 1) * kTile, A);
        for (int64_t i = 0; i < codes_.rows; ++i) {
          const double* codes = &codes_.values[static_cast<size_t>(i * codes_.columns)];
          for (int64_t a = tile * kTile; a < end; ++a) {
            const double factor = weights[static_cast<size_t>(i)] * (a + 1 < A ? codes[a] : 1);
            double* row = &result(a, 0);
            for (int64_t b = 0; b <= std::min(a, A - 2); ++b) row[b] += factor * codes[b];
            if (a + 1 == A) row[a] += factor;
          }
        }
      },
      kTile * codes_.rows * A / 2);
  for (int64_t a = 0; a + 1 < A; ++a) result(a, a) += 1;
  return result;
}

}  // namespace ipirm::metrics

// Sums over samples go block by block, so that any number of threads adds in the same order.
#include "metrics/logistic_loss.h"

#include <algorithm>
#include <cmath>

#include "metrics/vectors.h"

namespace ipirm::metrics {
namespace {

constexpr int64_t kBlock = 256;  // samples a piece of work
constexpr int64_t kTile = 8;     // rows of a matrix a piece of work

// Second derivatives that are left out of a matrix of them, as shares of C times the codes'
// squares: those between two scores, and a score's own, of which the former are a part.
constexpr double kNegligible = 1e-4, kNegligibleOwn = 1e-7;

int64_t num_pieces(int64_t count, int64_t piece) { return (count + piece - 1) / piece; }

// The penalty's second derivatives: 1 for each weight, 0 for the intercept.
void add_penalty(Matrix& curvature) {
  for (int64_t a = 0; a + 1 < curvature.rows; ++a) curvature(a, a) += 1;
}

}  // namespace

void centre(Matrix& of_scores) {
  const int64_t R = of_scores.rows;
  for (int64_t a = 0; a < of_scores.columns && R > 1; ++a) {
    double sum = 0;
    for (int64_t r = 0; r < R; ++r) sum += of_scores(r, a);
    for (int64_t r = 0; r < R; ++r) of_scores(r, a) -= sum / static_cast<double>(R);
  }
}

LogisticLoss::LogisticLoss(const Matrix& codes, const Classes& classes, double C,
                           const Workers& workers)
    : codes_(codes),
      classes_(classes),
      C_(C),
      workers_(workers),
      num_scores_(classes.count() == 2 ? 1 : classes.count()),
      by_code_(codes.columns, codes.rows),
      probabilities_(num_scores_, codes.rows) {
  for (int64_t i = 0; i < codes.rows; ++i) {
    for (int64_t d = 0; d < codes.columns; ++d) by_code_(d, i) = codes(i, d);
  }
}

int64_t LogisticLoss::steps_of_block() const {
  return kBlock * num_parameters() * num_scores_ / kRowsAtOnce;
}

void LogisticLoss::scores_of(int64_t first, int64_t last, const Matrix& parameters,
                             Matrix& scores) const {
  const int64_t D = codes_.columns;
  for (int64_t r = 0; r < num_scores_; ++r) {
    std::fill_n(&scores(r, 0), last - first, parameters(r, D));
    add_all_rows(
        &scores(r, 0), D, [&](int64_t d) { return parameters(r, d); },
        [&](int64_t d) { return &by_code_(d, first); }, last - first);
  }
}

double LogisticLoss::to_probabilities(int64_t first, int64_t last, Matrix& scores) {
  const int64_t R = num_scores_;
  double loss = 0;
  for (int64_t i = first; i < last; ++i) {
    const int64_t truth = classes_.of_sample[static_cast<size_t>(i)], at = i - first;
    if (R == 1) {
      const double toward = truth == 1 ? scores(0, at) : -scores(0, at);
      loss += std::max(-toward, 0.0) + std::log1p(std::exp(-std::abs(toward)));
      probabilities_(0, i) = 1 / (1 + std::exp(-scores(0, at)));
      continue;
    }
    double largest = scores(0, at), sum = 0;
    for (int64_t r = 1; r < R; ++r) largest = std::max(largest, scores(r, at));
    for (int64_t r = 0; r < R; ++r) sum += probabilities_(r, i) = std::exp(scores(r, at) - largest);
    for (int64_t r = 0; r < R; ++r) probabilities_(r, i) /= sum;
    loss += std::log(sum) - (scores(truth, at) - largest);
  }
  return loss;
}

double LogisticLoss::move_to(const Matrix& parameters) {
  parameters_ = parameters;
  const int64_t blocks = num_pieces(codes_.rows, kBlock);
  std::vector<double> losses(static_cast<size_t>(blocks), 0.0);
  workers_.each(
      blocks,
      [&](int64_t block, int) {
        const int64_t first = block * kBlock, last = std::min(first + kBlock, codes_.rows);
        Matrix scores(num_scores_, kBlock);
        scores_of(first, last, parameters_, scores);
        losses[static_cast<size_t>(block)] = to_probabilities(first, last, scores);
      },
      steps_of_block());
  double loss = 0, squares = 0;
  for (const double of_block : losses) loss += of_block;
  for (int64_t r = 0; r < num_scores_; ++r)
    squares += inner(&parameters_(r, 0), &parameters_(r, 0), codes_.columns);
  return C_ * loss + squares / 2;
}

template <class OfBlock>
Matrix LogisticLoss::sum_of_products(const OfBlock& of_block) const {
  const int64_t D = codes_.columns, blocks = num_pieces(codes_.rows, kBlock);
  std::vector<Matrix> sums(static_cast<size_t>(blocks));
  workers_.each(
      blocks,
      [&](int64_t block, int) {
        const int64_t first = block * kBlock, last = std::min(first + kBlock, codes_.rows);
        Matrix sum(num_scores_, D + 1), factors(num_scores_, kBlock);
        of_block(first, last, factors);
        for (int64_t r = 0; r < num_scores_; ++r) {
          add_all_rows(
              &sum(r, 0), last - first, [&](int64_t m) { return factors(r, m); },
              [&](int64_t m) { return &codes_.values[static_cast<size_t>((first + m) * D)]; }, D);
          for (int64_t m = 0; m < last - first; ++m) sum(r, D) += factors(r, m);
        }
        sums[static_cast<size_t>(block)] = std::move(sum);
      },
      steps_of_block());
  Matrix total(num_scores_, D + 1);
  for (const auto& sum : sums)
    add_row(total.values.data(), C_, sum.values.data(), num_scores_ * (D + 1));
  return total;
}

Matrix LogisticLoss::gradient() const {
  auto result = sum_of_products([&](int64_t first, int64_t last, Matrix& factors) {
    for (int64_t r = 0; r < num_scores_; ++r) {
      const int64_t own = num_scores_ == 1 ? 1 : r;  // the class that the score stands for
      for (int64_t i = first; i < last; ++i) {
        factors(r, i - first) =
            probabilities_(r, i) - (classes_.of_sample[static_cast<size_t>(i)] == own ? 1 : 0);
      }
    }
  });
  for (int64_t r = 0; r < num_scores_; ++r)
    add_row(&result(r, 0), 1, &parameters_(r, 0), codes_.columns);
  centre(result);
  return result;
}

Matrix LogisticLoss::curvature_times(const Matrix& direction) const {
  const int64_t R = num_scores_;
  auto result = sum_of_products([&](int64_t first, int64_t last, Matrix& factors) {
    scores_of(first, last, direction, factors);
    std::vector<double> expected(static_cast<size_t>(kBlock), 0.0);
    for (int64_t r = 0; r < R; ++r) {
      const double* p = &probabilities_(r, first);
      for (int64_t m = 0; m < last - first; ++m)
        expected[static_cast<size_t>(m)] += p[m] * factors(r, m);
    }
    for (int64_t r = 0; r < R; ++r) {
      const double* p = &probabilities_(r, first);
      for (int64_t m = 0; m < last - first; ++m)
        factors(r, m) = p[m] * (factors(r, m) - expected[static_cast<size_t>(m)]);
    }
  });
  for (int64_t r = 0; r < R; ++r) add_row(&result(r, 0), 1, &direction(r, 0), codes_.columns);
  centre(result);
  return result;
}

std::vector<Matrix> LogisticLoss::sums_of_squares(
    const std::vector<std::vector<Weighted>>& lists) const {
  const int64_t A = num_parameters(), D = codes_.columns, tiles = num_pieces(A, kTile);
  std::vector<Matrix> results(lists.size());
  for (auto& result : results) result = Matrix(A, A);
  workers_.each(
      static_cast<int64_t>(lists.size()) * tiles,
      [&](int64_t piece, int) {
        const auto& list = lists[static_cast<size_t>(piece / tiles)];
        auto& result = results[static_cast<size_t>(piece / tiles)];
        const int64_t first = piece % tiles * kTile, last = std::min(first + kTile, A);
        const auto codes_of = [&](int64_t m) {
          return &codes_.values[static_cast<size_t>(list[static_cast<size_t>(m)].sample * D)];
        };
        const auto count = static_cast<int64_t>(list.size());
        for (int64_t m = 0; m < count; m += kRowsAtOnce) {
          const int64_t rows = std::min(kRowsAtOnce, count - m);
          for (int64_t a = first; a < last; ++a) {
            const auto factor = [&](int64_t row) {
              return list[static_cast<size_t>(m + row)].weight * (a < D ? codes_of(m + row)[a] : 1);
            };
            add_all_rows(
                &result(a, a), rows, factor, [&](int64_t row) { return codes_of(m + row) + a; },
                D - a);
            for (int64_t row = 0; row < rows; ++row) result(a, D) += factor(row);
          }
        }
      },
      kTile * codes_.rows * A / (2 * kRowsAtOnce));
  return results;
}

template <class OfSample>
std::vector<LogisticLoss::Weighted> LogisticLoss::weighted(const OfSample& of_sample,
                                                           double negligible) const {
  std::vector<Weighted> list;
  for (int64_t i = 0; i < codes_.rows; ++i) {
    const double weight = of_sample(i);
    if (std::abs(weight) > negligible) list.push_back({i, C_ * weight});
  }
  return list;
}

std::vector<LogisticLoss::Weighted> LogisticLoss::own_weights(int64_t score) const {
  return weighted(
      [&](int64_t i) { return probabilities_(score, i) * (1 - probabilities_(score, i)); },
      kNegligibleOwn);
}

Matrix LogisticLoss::mean_curvature() const {
  const auto list = weighted(
      [&](int64_t i) {
        double sum = 0;
        for (int64_t r = 0; r < num_scores_; ++r)
          sum += probabilities_(r, i) * (1 - probabilities_(r, i));
        return sum / static_cast<double>(num_scores_);
      },
      kNegligibleOwn);
  auto result = std::move(sums_of_squares({list})[0]);
  add_penalty(result);
  return result;
}

std::vector<Matrix> LogisticLoss::own_curvatures() const {
  std::vector<std::vector<Weighted>> lists;
  for (int64_t r = 0; r < num_scores_; ++r) lists.push_back(own_weights(r));
  auto results = sums_of_squares(lists);
  for (auto& result : results) add_penalty(result);
  return results;
}

Matrix LogisticLoss::full_curvature() const {
  const int64_t A = num_parameters(), R = num_scores_;
  Matrix full(R * A, R * A);
  for (int64_t r = 0; r < R; ++r) {
    std::vector<std::vector<Weighted>> lists{own_weights(r)};
    for (int64_t s = r + 1; s < R; ++s) {
      lists.push_back(weighted(
          [&](int64_t i) { return -probabilities_(r, i) * probabilities_(s, i); }, kNegligible));
    }
    auto parts = sums_of_squares(lists);
    add_penalty(parts[0]);
    for (int64_t s = r; s < R; ++s) {
      const auto& part = parts[static_cast<size_t>(s - r)];
      for (int64_t a = 0; a < A; ++a) {
        for (int64_t b = a; b < A; ++b)
          full(r * A + a, s * A + b) = full(r * A + b, s * A + a) = part(a, b);
      }
    }
  }
  double held = 0;
  for (int64_t r = 0; r < R; ++r) held += full(r * A + A - 1, r * A + A - 1);
  for (int64_t r = 0; r < R; ++r) {
    for (int64_t s = r; s < R && R > 1; ++s)
      full(r * A + A - 1, s * A + A - 1) += held / static_cast<double>(R * R);
  }
  return full;
}

}  // namespace ipirm::metrics

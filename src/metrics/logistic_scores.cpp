// Explicitness and accuracy of logistic regressions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ipirm/core/interrupt.h"
#include "ipirm/metrics/logistic_regression.h"

namespace ipirm::metrics {
namespace {

constexpr int64_t kFolds = 5, kNumC = 10;

// Codes less the mean of `train`, divided by its standard deviation, or by 1 where it is dead.
Matrix standardised(const Matrix& codes, const Matrix& train) {
  Matrix result = codes;
  for (int64_t d = 0; d < codes.columns; ++d) {
    const auto column = train.column(d);
    const double centre = mean(column), spread = is_dead(column) ? 1 : std::sqrt(variance(column));
    for (int64_t i = 0; i < codes.rows; ++i) result(i, d) = (codes(i, d) - centre) / spread;
  }
  return result;
}

// Mean area over the classes that are there and not alone; NaN if there are none.
double mean_area(const Matrix& probabilities, const Classes& classes, const Values& values) {
  std::vector<double> areas;
  for (int64_t k = 0; k < classes.count(); ++k) {
    std::vector<uint8_t> inside;
    for (const int64_t value : values)
      inside.push_back(value == classes.names[static_cast<size_t>(k)]);
    const auto count = std::count(inside.begin(), inside.end(), uint8_t{1});
    if (count > 0 && count < static_cast<int64_t>(inside.size()))
      areas.push_back(area_under_curve(probabilities.column(k), inside));
  }
  return areas.empty() ? std::numeric_limits<double>::quiet_NaN() : mean(areas);
}

// A regression with the classes that it knows; of a single class, that one is always found.
struct Classifier {
  Classifier(const Matrix& codes, const Values& values, double C, const Classifier* start,
             const Workers& workers)
      : classes(values) {
    if (classes.count() > 1)
      model = fit_logistic(codes, classes, C, start ? &start->model : nullptr, workers);
  }

  double accuracy(const Matrix& codes, const Values& values, const Workers& workers) const {
    if (classes.count() == 1) return agreement(Values(values.size(), classes.names[0]), values);
    const auto all = model.probabilities(codes, workers);
    Values found;
    for (int64_t i = 0; i < all.rows; ++i) {
      const double* first = &all.values[static_cast<size_t>(i * all.columns)];
      const auto place = std::max_element(first, first + all.columns) - first;
      found.push_back(classes.names[static_cast<size_t>(place)]);
    }
    return agreement(found, values);
  }

  Classes classes;
  LogisticModel model;
};

// The samples first..last-1, or all others.
struct Part {
  Part(const Matrix& all, const Values& all_values, int64_t first, int64_t last, bool inside) {
    codes.columns = all.columns;
    for (int64_t i = 0; i < all.rows; ++i) {
      if ((first <= i && i < last) != inside) continue;
      const auto row = all.values.begin() + i * all.columns;
      codes.values.insert(codes.values.end(), row, row + all.columns);
      values.push_back(all_values[static_cast<size_t>(i)]);
      ++codes.rows;
    }
  }
  Matrix codes;
  Values values;
};

// 1e-4 to 1e4 in equal steps of the logarithm.
double C_at(int64_t number) {
  return std::pow(10, -4 + 8 * static_cast<double>(number) / (kNumC - 1));
}

// The C of the best mean accuracy over contiguous folds, of which the first are one sample longer.
double best_C(const Matrix& codes, const Values& values, const Workers& workers) {
  const int64_t folds = std::min(kFolds, codes.rows);
  std::vector<double> sums(static_cast<size_t>(kNumC), 0.0);
  int64_t first = 0;
  for (int64_t fold = 0; fold < folds; ++fold) {
    const int64_t last = first + codes.rows / folds + (fold < codes.rows % folds);
    const Part kept(codes, values, first, last, false), held(codes, values, first, last, true);
    first = last;
    std::vector<Classifier> path;  // each begins where the one before ended
    for (int64_t c = 0; c < kNumC && !core::interrupted(); ++c) {
      path.emplace_back(kept.codes, kept.values, C_at(c), path.empty() ? nullptr : &path.back(),
                        workers);
      sums[static_cast<size_t>(c)] += path.back().accuracy(held.codes, held.values, workers);
    }
  }
  return C_at(std::max_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace

double area_under_curve(const std::vector<double>& scores, const std::vector<uint8_t>& inside) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double ranks = 0, count = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double of_ties = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end)
      of_ties += inside[order[end]];
    ranks += of_ties * (static_cast<double>(begin + end) + 1) / 2;  // their mean rank, from 1
    count += of_ties;
    begin = end;
  }
  const double others = static_cast<double>(scores.size()) - count;
  return (ranks - count * (count + 1) / 2) / (count * others);
}

Explicitness explicitness(const Sample& train, const Sample& test, const Workers& workers) {
  Explicitness result;
  const auto on_train = standardised(train.codes, train.codes);
  const auto on_test = standardised(test.codes, train.codes);
  for (size_t f = 0; f < train.factors.size() && !core::interrupted(); ++f) {
    const Classes classes(train.factors[f]);
    const auto model = fit_logistic(on_train, classes, 1, nullptr, workers);
    result.train.push_back(
        mean_area(model.probabilities(on_train, workers), classes, train.factors[f]));
    result.test.push_back(
        mean_area(model.probabilities(on_test, workers), classes, test.factors[f]));
  }
  return result;
}

LogisticAccuracy logistic_accuracy(const Sample& train, const Sample& test,
                                   const Workers& workers) {
  LogisticAccuracy result;
  for (size_t f = 0; f < train.factors.size() && !core::interrupted(); ++f) {
    const double C = best_C(train.codes, train.factors[f], workers);
    const Classifier all(train.codes, train.factors[f], C, nullptr, workers);
    result.C.push_back(C);
    result.train.push_back(all.accuracy(train.codes, train.factors[f], workers));
    result.test.push_back(all.accuracy(test.codes, test.factors[f], workers));
  }
  return result;
}

}  // namespace ipirm::metrics

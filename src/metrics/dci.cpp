// How far each row and each column of the importances is from having one entry alone.
#include "ipirm/metrics/dci.h"

#include <cmath>

#include "ipirm/core/interrupt.h"
#include "ipirm/metrics/boosted_trees.h"

namespace ipirm::metrics {
namespace {

constexpr double kFloor = 1e-11;  // added to each importance, so that its logarithm is finite

// 1 - the entropy of shares of parts, with their number as the base of the logarithm.
double concentration(const std::vector<double>& importances) {
  double sum = 0, entropy = 0;
  for (const double importance : importances) sum += importance + kFloor;
  for (const double importance : importances) {
    const double share = (importance + kFloor) / sum;
    entropy -= share * std::log(share);
  }
  return 1 - entropy / std::log(static_cast<double>(importances.size()));
}

Weighted weighted(const std::vector<std::vector<double>>& groups) {
  Weighted result;
  double all = 0;
  for (const auto& group : groups) {
    double sum = 0;
    for (const double importance : group) sum += importance;
    result.parts.push_back(sum > 0 ? concentration(group) : 0);
    result.weights.push_back(sum);
    all += sum;
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    result.weights[g] = all > 0 ? result.weights[g] / all : 1 / static_cast<double>(groups.size());
    result.score += result.parts[g] * result.weights[g];
  }
  return result;
}

std::vector<double> row_of(const Matrix& matrix, int64_t row) {
  const auto first = matrix.values.begin() + row * matrix.columns;
  return {first, first + matrix.columns};
}

}  // namespace

Weighted disentanglement(const Matrix& importance) {
  std::vector<std::vector<double>> codes;
  for (int64_t d = 0; d < importance.rows; ++d) codes.push_back(row_of(importance, d));
  return weighted(codes);
}

Weighted completeness(const Matrix& importance) {
  std::vector<std::vector<double>> factors;
  for (int64_t f = 0; f < importance.columns; ++f) factors.push_back(importance.column(f));
  return weighted(factors);
}

TreeResults boost_factors(const Sample& train, const Sample& test, uint64_t seed,
                          const Workers& workers) {
  TreeResults results;
  results.importance = Matrix(train.codes.columns, static_cast<int64_t>(train.factors.size()));
  const SortedCodes codes(train.codes, workers);
  for (size_t f = 0; f < train.factors.size() && !core::interrupted(); ++f) {
    const BoostedTrees trees(codes, Classes(train.factors[f]), {.seed = seed, .factor = f},
                             workers);
    for (int64_t d = 0; d < train.codes.columns; ++d) {
      results.importance(d, static_cast<int64_t>(f)) = trees.importances()[static_cast<size_t>(d)];
    }
    results.train.push_back(agreement(trees.predict(train.codes, workers), train.factors[f]));
    results.test.push_back(agreement(trees.predict(test.codes, workers), test.factors[f]));
  }
  return results;
}

}  // namespace ipirm::metrics

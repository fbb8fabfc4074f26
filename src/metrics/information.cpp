// Contingency tables of binned codes and factors.
#include "ipirm/metrics/information.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ipirm::metrics {

Values discretize(const std::vector<double>& numbers) {
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  double low = *least, high = *most;
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  const double step = (high - low) / static_cast<double>(kBins);
  std::array<double, kBins> edges;  // the lower one of each bin
  for (size_t b = 0; b < edges.size(); ++b) edges[b] = static_cast<double>(b) * step + low;
  Values bins;
  bins.reserve(numbers.size());
  for (const double number : numbers)
    bins.push_back(std::upper_bound(edges.begin(), edges.end(), number) - edges.begin());
  return bins;
}

double mutual_information(const Values& a, const Values& b) {
  const Classes rows(a), columns(b);
  std::vector<int64_t> table(static_cast<size_t>(rows.count() * columns.count()), 0);
  for (size_t i = 0; i < a.size(); ++i)
    ++table[static_cast<size_t>(rows.of_sample[i] * columns.count() + columns.of_sample[i])];
  const auto n = static_cast<double>(a.size());
  double sum = 0;
  for (int64_t r = 0; r < rows.count(); ++r) {
    for (int64_t c = 0; c < columns.count(); ++c) {
      const auto both = static_cast<double>(table[static_cast<size_t>(r * columns.count() + c)]);
      if (both == 0) continue;
      const auto independent = static_cast<double>(rows.sizes[static_cast<size_t>(r)]) *
                               static_cast<double>(columns.sizes[static_cast<size_t>(c)]);
      sum += both / n * (std::log(both * n) - std::log(independent));
    }
  }
  return std::max(sum, 0.0);
}

double entropy(const Values& values) { return mutual_information(values, values); }

Matrix information(const Sample& sample, const Workers& workers) {
  Matrix result(sample.codes.columns, static_cast<int64_t>(sample.factors.size()));
  workers.each(
      result.rows,
      [&](int64_t d, int) {
        const Values bins = discretize(sample.codes.column(d));
        for (int64_t f = 0; f < result.columns; ++f)
          result(d, f) = mutual_information(bins, sample.factors[static_cast<size_t>(f)]);
      },
      100 * sample.codes.rows);
  return result;
}

std::vector<double> information_gaps(const Matrix& information,
                                     const std::vector<double>& entropies) {
  std::vector<double> gaps;
  for (int64_t f = 0; f < information.columns; ++f) {
    auto of_codes = information.column(f);
    std::nth_element(of_codes.begin(), of_codes.begin() + 1, of_codes.end(), std::greater<>());
    gaps.push_back((of_codes[0] - of_codes[1]) / entropies[static_cast<size_t>(f)]);
  }
  return gaps;
}

std::vector<double> modularities(const Matrix& information) {
  std::vector<double> result;
  for (int64_t d = 0; d < information.rows; ++d) {
    double largest = 0, sum = 0;
    for (int64_t f = 0; f < information.columns; ++f) {
      const double square = information(d, f) * information(d, f);
      largest = std::max(largest, square);
      sum += square;
    }
    const auto others = static_cast<double>(information.columns - 1);
    result.push_back(largest > 0 ? 1 - (sum - largest) / (largest * others) : 0);
  }
  return result;
}

}  // namespace ipirm::metrics

// Columns of a table, and a factor's values as places.
#include "ipirm/metrics/sample.h"

#include <algorithm>
#include <numeric>

namespace ipirm::metrics {
namespace {

// The variance of a dead code, beside its squared mean or 1, is no larger.
constexpr double kLeastVariance = 1e-24;

}  // namespace

std::vector<double> Matrix::column(int64_t number) const {
  std::vector<double> result(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) result[static_cast<size_t>(row)] = (*this)(row, number);
  return result;
}

Classes::Classes(const Values& values) : names(values) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  sizes.assign(names.size(), 0);
  of_sample.reserve(values.size());
  for (const int64_t value : values) {
    of_sample.push_back(place(value));
    ++sizes[static_cast<size_t>(of_sample.back())];
  }
}

int64_t Classes::place(int64_t value) const {
  const auto found = std::lower_bound(names.begin(), names.end(), value);
  return found != names.end() && *found == value ? found - names.begin() : -1;
}

double agreement(const Values& found, const Values& expected) {
  if (found.empty()) return 0;
  int64_t equal = 0;
  for (size_t i = 0; i < found.size(); ++i) equal += found[i] == expected[i];
  return static_cast<double>(equal) / static_cast<double>(found.size());
}

double mean(const std::vector<double>& numbers) {
  if (numbers.empty()) return 0;
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

double variance(const std::vector<double>& numbers) {
  const double centre = mean(numbers);
  double sum = 0;
  for (const double number : numbers) sum += (number - centre) * (number - centre);
  return sum / static_cast<double>(std::max<size_t>(numbers.size(), 1));
}

bool is_dead(const std::vector<double>& code) {
  const double centre = mean(code);
  return variance(code) <= kLeastVariance * std::max(centre * centre, 1.0);
}

}  // namespace ipirm::metrics

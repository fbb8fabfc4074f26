// Distances from the mean of all samples, and from those of the groups that share a factor's value.
#include "ipirm/metrics/irs.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace ipirm::metrics {
namespace {

// The q-quantile, linear between two neighbours in order. Reorders the numbers.
double quantile_of(std::vector<double>& numbers, double q) {
  const double place = q * static_cast<double>(numbers.size() - 1);
  const auto below = static_cast<int64_t>(place);
  const auto at = numbers.begin() + below;
  std::nth_element(numbers.begin(), at, numbers.end());
  if (at + 1 == numbers.end()) return *at;
  const double upper = *std::min_element(at + 1, numbers.end());
  return *at + (upper - *at) * (place - static_cast<double>(below));
}

// Replaces each number by its distance from their mean.
void to_distances(std::vector<double>& numbers) {
  const double centre = mean(numbers);
  for (double& number : numbers) number = std::abs(number - centre);
}

// The quantile of the distances inside a factor's groups, averaged over the groups.
double distance_while_held(const std::vector<double>& code, const Classes& factor, double q) {
  std::vector<std::vector<double>> groups(factor.names.size());
  for (size_t i = 0; i < code.size(); ++i)
    groups[static_cast<size_t>(factor.of_sample[i])].push_back(code[i]);
  double sum = 0;
  for (auto& group : groups) {
    to_distances(group);
    sum += quantile_of(group, q);
  }
  return sum / static_cast<double>(groups.size());
}

}  // namespace

Robustness interventional_robustness(const Sample& sample, double quantile,
                                     const Workers& workers) {
  std::vector<Classes> factors;
  for (const auto& values : sample.factors) factors.emplace_back(values);
  std::vector<std::optional<RobustCode>> found(static_cast<size_t>(sample.codes.columns));
  workers.each(sample.codes.columns, [&](int64_t d, int) {
    const auto code = sample.codes.column(d);
    if (is_dead(code)) return;
    auto distances = code;
    to_distances(distances);
    RobustCode result;
    result.code = d;
    result.weight = *std::max_element(distances.begin(), distances.end());
    for (const auto& factor : factors)
      result.of_factor.push_back(1 - distance_while_held(code, factor, quantile) / result.weight);
    const auto best = std::max_element(result.of_factor.begin(), result.of_factor.end());
    result.score = *best;
    result.parent = best - result.of_factor.begin();
    found[static_cast<size_t>(d)] = std::move(result);
  });
  Robustness result;
  double weights = 0;
  for (auto& code : found) {
    if (!code) continue;
    weights += code->weight;
    result.score += code->weight * code->score;
    result.codes.push_back(std::move(*code));
  }
  if (weights > 0) result.score /= weights;
  return result;
}

}  // namespace ipirm::metrics

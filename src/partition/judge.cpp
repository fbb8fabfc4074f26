// Counts how environments, values and earlier environments meet.
#include "ipirm/partition/judge.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "ipirm/partition/partition_set.h"

namespace ipirm::partition {
namespace {

constexpr int64_t kMostMatched = 256;  // environments that are matched exactly, in K^3 operations

// Samples of the first's label a and the second's label b.
struct Meeting {
  int64_t a, b, count;
};

// Every pair of labels that meets, by a, then b. a, b (N) int64 >= 0.
std::vector<Meeting> meetings(const torch::Tensor& a, const torch::Tensor& b) {
  std::vector<Meeting> result;
  if (a.numel() == 0) return result;
  const int64_t width = b.max().item<int64_t>() + 1;
  const auto [codes, inverse, counts] =
      at::_unique2(a * width + b, /*sorted=*/true, /*return_inverse=*/false,
                   /*return_counts=*/true);
  const int64_t *code = codes.const_data_ptr<int64_t>(), *count = counts.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < codes.numel(); ++i)
    result.push_back({code[i] / width, code[i] % width, count[i]});
  return result;
}

// The greatest sum of counts over one-to-one matchings of labels 0..size-1, by the Hungarian method
// (Kuhn 1955, Munkres 1957) with potentials: rows are taken in one after the other, each by the
// cheapest augmenting path.
int64_t best_matching(const std::vector<Meeting>& pairs, int64_t size) {
  const auto n = static_cast<size_t>(size);
  std::vector<int64_t> cost(n * n, 0);
  for (const auto& m : pairs) cost[static_cast<size_t>(m.a * size + m.b)] = -m.count;
  // Rows and columns from 1: column 0 is where the row that is taken in begins.
  std::vector<int64_t> row_price(n + 1, 0), column_price(n + 1, 0);
  std::vector<size_t> row_of(n + 1, 0), came_from(n + 1, 0);
  for (size_t row = 1; row <= n; ++row) {
    std::vector<int64_t> slack(n + 1, std::numeric_limits<int64_t>::max());
    std::vector<bool> visited(n + 1, false);
    size_t end = 0;  // the column where the path ends
    row_of[0] = row;
    while (row_of[end] != 0) {
      visited[end] = true;
      size_t next = 0;
      int64_t least = std::numeric_limits<int64_t>::max();
      for (size_t column = 1; column <= n; ++column) {
        if (visited[column]) continue;
        const int64_t reduced = cost[(row_of[end] - 1) * n + column - 1] - row_price[row_of[end]] -
                                column_price[column];
        if (reduced < slack[column]) slack[column] = reduced, came_from[column] = end;
        if (slack[column] < least) least = slack[column], next = column;
      }
      for (size_t column = 0; column <= n; ++column) {
        if (visited[column]) {
          row_price[row_of[column]] += least;
          column_price[column] -= least;
        } else if (column > 0) {
          slack[column] -= least;
        }
      }
      end = next;
    }
    for (; end != 0; end = came_from[end]) row_of[end] = row_of[came_from[end]];
  }
  int64_t sum = 0;
  for (size_t column = 1; column <= n; ++column) sum -= cost[(row_of[column] - 1) * n + column - 1];
  return sum;
}

// The same by taking the largest pair whose labels are both free, again and again.
int64_t greedy_matching(std::vector<Meeting> pairs, int64_t size) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Meeting& x, const Meeting& y) { return x.count > y.count; });
  std::vector<bool> a_taken(static_cast<size_t>(size), false), b_taken = a_taken;
  int64_t sum = 0;
  for (const auto& m : pairs) {
    const auto a = static_cast<size_t>(m.a), b = static_cast<size_t>(m.b);
    if (a_taken[a] || b_taken[b]) continue;
    a_taken[a] = b_taken[b] = true;
    sum += m.count;
  }
  return sum;
}

}  // namespace

FactorShare factor_share(const torch::Tensor& environment, const KnownFactor& factor) {
  FactorShare result{factor.name};
  const auto known = factor.values.ge(0);
  const auto pairs = meetings(environment.masked_select(known), factor.values.masked_select(known));
  std::map<int64_t, int64_t> of_environment, of_value;
  int64_t samples = 0;
  for (const auto& m : pairs) {
    of_environment[m.a] += m.count;
    of_value[m.b] += m.count;
    samples += m.count;
  }
  const auto total = static_cast<double>(samples);
  for (const auto& [value, count] : of_value) {
    const double p = static_cast<double>(count) / total;
    result.entropy -= p * std::log(p);
  }
  for (const auto& m : pairs) {
    const auto together = static_cast<double>(m.count);
    const auto apart =
        static_cast<double>(of_environment[m.a]) * static_cast<double>(of_value[m.b]);
    result.information += together / total * std::log(together * total / apart);
  }
  result.information = std::max(0.0, result.information);  // rounding may leave -1e-17
  if (result.entropy > 0) result.share = std::min(1.0, result.information / result.entropy);
  return result;
}

double certainty(const torch::Tensor& logits) {
  return logits.softmax(1).amax(1).mean(torch::kFloat64).item<double>();
}

double overlap(const torch::Tensor& a, const torch::Tensor& b) {
  const auto pairs = meetings(a, b);
  const int64_t size = std::max(a.max().item<int64_t>(), b.max().item<int64_t>()) + 1;
  const int64_t matched =
      size <= kMostMatched ? best_matching(pairs, size) : greedy_matching(pairs, size);
  return static_cast<double>(matched) / static_cast<double>(a.numel());
}

Judgement judge(const torch::Tensor& logits, const std::vector<KnownFactor>& factors,
                const torch::Tensor& before) {
  Judgement result;
  const auto environment = environment_of(logits).to(torch::kCPU);
  for (const auto& factor : factors) result.factors.push_back(factor_share(environment, factor));
  result.certainty = certainty(logits);
  if (before.defined())
    result.overlap = overlap(environment, environment_of(before).to(torch::kCPU));
  return result;
}

}  // namespace ipirm::partition

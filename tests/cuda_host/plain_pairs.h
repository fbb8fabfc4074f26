// Batches of views, and sums over their pairs by the plain definition in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace ipirm::ops {

// The cases that a test runs: all, and under the address sanitizer, which takes ten times as long,
// every fourth.
template <class Case>
std::vector<Case> cases_to_run(const std::vector<Case>& all) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t kStep = 4;
#else
  constexpr size_t kStep = 1;
#endif
  std::vector<Case> some;
  for (size_t i = 0; i < all.size(); i += kStep) some.push_back(all[i]);
  return some;
}

// n samples of two views, whose rows have length `norm`, more or less alike.
struct Batch {
  int64_t n, dim;
  std::vector<float> z1, z2;  // (n, dim)

  Batch(int64_t n_, int64_t dim_, double norm = 1, unsigned seed = 1) : n(n_), dim(dim_) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::vector<double> row(static_cast<size_t>(dim));
    const auto append = [&](std::vector<float>& to) {
      double square = 0;
      for (const double x : row) square += x * x;
      for (const double x : row) to.push_back(static_cast<float>(x * norm / std::sqrt(square)));
    };
    for (int64_t i = 0; i < n; ++i) {
      for (double& x : row) x = normal(random);
      append(z1);
      for (double& x : row) x += .5 * normal(random);
      append(z2);
    }
  }

  // Feature k of view i of 2n: the first views, then the second ones.
  double at(int64_t i, int64_t k) const {
    return i < n ? z1[static_cast<size_t>(i * dim + k)]
                 : z2[static_cast<size_t>((i - n) * dim + k)];
  }
  double similarity(int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < dim; ++k) sum += at(i, k) * at(j, k);
    return sum;
  }
};

// (n, columns) numbers in 0..1 whose rows sum to 1.
inline std::vector<float> random_weights(int64_t n, int64_t columns, unsigned seed = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<float> weights;
  std::vector<double> row(static_cast<size_t>(columns));
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (double& x : row) sum += x = std::exp(2 * normal(random));
    for (const double x : row) weights.push_back(static_cast<float>(x / sum));
  }
  return weights;
}

// Column e of a matrix of k columns.
inline std::vector<double> column(const std::vector<float>& matrix, int64_t k, int64_t e) {
  std::vector<double> out;
  for (size_t i = size_t(e); i < matrix.size(); i += size_t(k)) out.push_back(matrix[i]);
  return out;
}

// The largest |found - expected| over the largest |expected|; infinite where found is not a number.
template <class Number>
double relative_error(const std::vector<Number>& found, const std::vector<double>& expected) {
  double error = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::fmax(largest, std::fabs(expected[i]));
    const double difference = std::fabs(found[i] - expected[i]);
    error = difference >= 0 ? std::fmax(error, difference) : INFINITY;
  }
  return largest > 0 ? error / largest : error;
}

}  // namespace ipirm::ops

// The set of codes and factors that the golden values of tests/golden/metrics belong to.
#pragma once

#include <cmath>
#include <cstdint>

#include "ipirm/metrics/sample.h"

namespace ipirm::metrics::testing {

// Numerical Recipes' linear congruential generator.
class Lcg {
 public:
  explicit Lcg(uint32_t seed) : state_(seed) {}
  double uniform() {  // [0, 1)
    state_ = 1664525u * state_ + 1013904223u;
    return state_ / 4294967296.0;
  }

 private:
  uint32_t state_;
};

// n samples of four codes, of which three follow one factor each (2, 3 and 4 values) with noise.
inline Sample draw_golden(Lcg& random, int64_t n) {
  Sample sample{Matrix(n, 4), {{}, {}, {}}};
  for (int64_t i = 0; i < n; ++i) {
    for (size_t f = 0; f < 3; ++f) {
      sample.factors[f].push_back(
          static_cast<int64_t>(random.uniform() * static_cast<double>(f + 2)));
    }
    const auto y = [&](size_t f) { return static_cast<double>(sample.factors[f].back()); };
    sample.codes(i, 0) = y(0) + 1.6 * (random.uniform() - .5);
    sample.codes(i, 1) = y(1) + 1.4 * (random.uniform() - .5);
    sample.codes(i, 2) = y(2) + .5 * y(1) + 1.8 * (random.uniform() - .5);
    sample.codes(i, 3) = random.uniform();
  }
  return sample;
}

struct Split {
  Sample train, test;
};

inline Split golden_set(uint32_t seed = 1) {
  Lcg random(seed);
  auto train = draw_golden(random, 240);
  return {std::move(train), draw_golden(random, 120)};
}

// The codes of `sample` in the given columns.
inline Matrix columns_of(const Matrix& codes, const std::vector<int64_t>& columns) {
  Matrix result(codes.rows, static_cast<int64_t>(columns.size()));
  for (int64_t i = 0; i < codes.rows; ++i) {
    for (size_t c = 0; c < columns.size(); ++c)
      result(i, static_cast<int64_t>(c)) = codes(i, columns[c]);
  }
  return result;
}

}  // namespace ipirm::metrics::testing

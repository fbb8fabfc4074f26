// What a partition risk's kernels found, beside the definition.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cuda_host/plain_pairs.h"

namespace ipirm::ops {

struct Found {
  // For n samples in k environments; not a number until it is written.
  Found(int64_t n, int64_t k)
      : contrastive(size_t(k), NAN), penalty(size_t(k), NAN), grad(size_t(n * k), NAN) {}
  bool operator==(const Found&) const = default;

  std::vector<float> contrastive, penalty, grad;
};

// plain: the definition, with contrastive(w), penalty(w) and gradient(w) of an environment.
template <class Plain>
void expect_definition_of(const Plain& plain, const std::vector<float>& weights, int64_t k,
                          const Found& found) {
  std::vector<double> contrastive, penalty, grad(weights.size());
  for (int64_t e = 0; e < k; ++e) {
    const auto w = column(weights, k, e);
    contrastive.push_back(plain.contrastive(w));
    penalty.push_back(plain.penalty(w));
    const auto gradient = plain.gradient(w);
    for (size_t i = 0; i < gradient.size(); ++i) {
      grad[i * size_t(k) + size_t(e)] = gradient[i] / double(k);
    }
  }
  EXPECT_LT(relative_error(found.contrastive, contrastive), 3e-6);
  EXPECT_LT(relative_error(found.penalty, penalty), 1e-5);
  EXPECT_LT(relative_error(found.grad, grad), 1e-5);
}

}  // namespace ipirm::ops

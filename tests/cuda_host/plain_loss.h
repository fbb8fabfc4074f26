// environment_loss by its definition (METHOD 4) in float64, without PyTorch: environment by
// environment, each row's logits in the order of their positions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace ipirm::ops {

// (rows, columns) numbers, row by row.
struct Matrix {
  int64_t rows, columns;
  std::vector<double> values;
  double& at(int64_t i, int64_t j) { return values[static_cast<size_t>(i * columns + j)]; }
  double at(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * columns + j)]; }
};

struct LossProblem {
  Matrix z1, z2;                     // (B, d)
  std::vector<int64_t> environment;  // (P, B)
  int64_t partitions, num_env;
  double temperature, irm_temperature;
};

struct PlainLosses {
  std::vector<double> contrastive, penalty;  // (P, K)
};

// InfoNCE of the members' views at temperature `t`, and its gradient by position.
inline double plain_info_nce(const LossProblem& in, const std::vector<int64_t>& members, double t,
                             std::vector<double>& gradient) {
  const auto n = static_cast<int64_t>(members.size());
  const auto logit = [&](int64_t i, int64_t j) {
    const auto& a = i < n ? in.z1 : in.z2;
    const auto& b = j < n ? in.z1 : in.z2;
    double sum = 0;
    for (int64_t k = 0; k < a.columns; ++k) {
      sum += a.at(members[static_cast<size_t>(i % n)], k) *
             b.at(members[static_cast<size_t>(j % n)], k);
    }
    return sum / t;
  };
  gradient.assign(static_cast<size_t>(2 * n - 1), 0.);
  double loss = 0;
  for (int64_t i = 0; i < 2 * n; ++i) {
    std::vector<double> logits = {logit(i, (i + n) % (2 * n))};
    for (int64_t j = 0; j < 2 * n; ++j) {
      if (j % n != i % n) logits.push_back(logit(i, j));
    }
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double l : logits) sum += std::exp(l - largest);
    const double weight = .5 / static_cast<double>(n);
    loss += weight * (largest + std::log(sum) - logits[0]);
    for (size_t k = 0; k < logits.size(); ++k) {
      const double share = std::exp(logits[k] - largest) / sum;
      gradient[k] += weight * (share - (k == 0 ? 1 : 0)) * logits[k];
    }
  }
  return loss;
}

inline PlainLosses plain_losses(const LossProblem& in) {
  PlainLosses out;
  for (int64_t p = 0; p < in.partitions; ++p) {
    for (int64_t e = 0; e < in.num_env; ++e) {
      std::vector<int64_t> members;
      for (int64_t i = 0; i < in.z1.rows; ++i) {
        if (in.environment[static_cast<size_t>(p * in.z1.rows + i)] == e) members.push_back(i);
      }
      double contrastive = 0, penalty = 0;
      if (!members.empty()) {
        std::vector<double> gradient;
        contrastive = plain_info_nce(in, members, in.temperature, gradient);
        plain_info_nce(in, members, in.irm_temperature, gradient);
        for (const double g : gradient) penalty += g * g;
      }
      out.contrastive.push_back(contrastive);
      out.penalty.push_back(penalty);
    }
  }
  return out;
}

}  // namespace ipirm::ops

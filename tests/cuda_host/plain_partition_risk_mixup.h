// partition_risk_mixup by its definition (METHOD 6) in plain loops and float64.
#pragma once

#include "cuda_host/plain_pairs.h"
#include "cuda_host/plain_risk_gradient.h"

namespace ipirm::ops {

struct PlainMixup {
  std::vector<float> lam;
  std::vector<int64_t> partner;  // empty: offline
  double temperature = .5, irm_weight = 1;
  bool nonorm = false;
};

class PlainPartitionRiskMixup {
 public:
  PlainPartitionRiskMixup(const Batch& batch, const PlainMixup& mixup)
      : n_(batch.n), mixup_(mixup) {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < n_; ++j) {
        logits_.push_back(batch.similarity(i, n_ + j) / mixup.temperature);
      }
    }
  }

  // Of an environment with weights w (n).
  double contrastive(const std::vector<double>& w) const { return values(w).contrastive; }
  double penalty(const std::vector<double>& w) const { return values(w).penalty; }
  // d(contrastive + irm_weight * penalty)/dw, (n).
  std::vector<double> gradient(const std::vector<double>& w) const {
    return complex_step_gradient(w, [&](const auto& moved) {
      const auto found = values(moved);
      return found.contrastive + mixup_.irm_weight * found.penalty;
    });
  }

 private:
  template <class Number>
  struct Values {
    Number contrastive, penalty;
  };
  template <class Number>
  Values<Number> values(const std::vector<Number>& w) const {
    const auto n = static_cast<double>(n_);
    Number sum = 0;
    for (const Number& x : w) sum += x;
    std::vector<Number> g(size_t(n_), 0.);  // by column
    Values<Number> values{0, 0};
    for (int64_t i = 0; i < n_; ++i) {
      const double* const logits = &logits_[size_t(i * n_)];
      const double max = *std::max_element(logits, logits + n_);
      const Number scale = (n - 1) / (sum - w[size_t(i)]);
      std::vector<Number> weight(w.size()), q(w.size());
      Number d = 0;
      for (int64_t j = 0; j < n_; ++j) {
        weight[size_t(j)] = j == i ? Number(1) : scale * w[size_t(j)];
        d += q[size_t(j)] = weight[size_t(j)] * std::exp(logits[j] - max);
      }
      for (Number& x : q) x /= d;
      const double lam = mixup_.lam[size_t(i)];
      const bool online = !mixup_.partner.empty();
      const int64_t partner = online ? mixup_.partner[size_t(i)] : i;
      const Number share = online ? (mixup_.nonorm ? sum / (n * n) : Number(1 / n))
                                  : lam * w[size_t(i)] / (mixup_.nonorm ? Number(n) : sum);
      for (const auto& [target, part] :
           {std::pair{i, online ? lam : 1.}, std::pair{partner, online ? 1 - lam : 0.}}) {
        if (part == 0) continue;
        const Number log_q = std::log(weight[size_t(target)]) + logits[target] - max - std::log(d);
        values.contrastive -= share * part * log_q;
        for (int64_t j = 0; j < n_; ++j) {
          g[size_t(j)] += share * part * (q[size_t(j)] - (j == target ? 1. : 0.)) * logits[j];
        }
      }
    }
    for (const Number& x : g) values.penalty += x * x;
    return values;
  }

  int64_t n_;
  PlainMixup mixup_;
  std::vector<double> logits_;  // (n, n)
};

}  // namespace ipirm::ops

// partition_risk by its definition (METHOD 5) in plain loops and float64.
#pragma once

#include "cuda_host/plain_pairs.h"
#include "cuda_host/plain_risk_gradient.h"

namespace ipirm::ops {

struct PlainSettings {
  double temperature = .5, irm_temperature = .5, irm_weight = 1;
  bool nonorm = false;
};

class PlainPartitionRisk {
 public:
  PlainPartitionRisk(const Batch& batch, const PlainSettings& settings)
      : n_(batch.n), settings_(settings), s_(size_t(4 * n_ * n_)) {
    for (int64_t i = 0; i < 2 * n_; ++i) {
      for (int64_t j = 0; j < 2 * n_; ++j) s_[size_t(i * 2 * n_ + j)] = batch.similarity(i, j);
    }
  }

  // Of an environment with weights w (n).
  double contrastive(const std::vector<double>& w) const {
    return at(w, settings_.temperature).contrastive;
  }
  double penalty(const std::vector<double>& w) const {
    return at(w, settings_.irm_temperature).penalty;
  }
  // d(contrastive + irm_weight * penalty)/dw, (n).
  std::vector<double> gradient(const std::vector<double>& w) const {
    return complex_step_gradient(w, [&](const auto& moved) {
      return at(moved, settings_.temperature).contrastive +
             settings_.irm_weight * at(moved, settings_.irm_temperature).penalty;
    });
  }

 private:
  template <class Number>
  struct Values {
    Number contrastive, penalty;
  };
  template <class Number>
  Values<Number> at(const std::vector<Number>& w, double temperature) const {
    const int64_t m = 2 * n_;
    Number sum = 0;
    for (const Number& x : w) sum += 2. * x;
    std::vector<Number> g(size_t(m), 0.);  // by position
    Values<Number> values{0, 0};
    for (int64_t i = 0; i < m; ++i) {
      const int64_t p = (i + n_) % m;
      const auto logit = [&](int64_t j) { return s_[size_t(i * m + j)] / temperature; };
      const Number share = w[size_t(i % n_)] / (settings_.nonorm ? Number(double(m)) : sum);
      const Number scale = double(m - 2) / (sum - 2. * w[size_t(i % n_)]);
      double max = logit(p);
      for (int64_t j = 0; j < m; ++j) {
        if (j != i) max = std::fmax(max, logit(j));
      }
      std::vector<Number> terms{std::exp(logit(p) - max)};
      std::vector<double> logits{logit(p)};
      for (int64_t j = 0; j < m; ++j) {
        if (j == i || j == p) continue;
        terms.push_back(scale * w[size_t(j % n_)] * std::exp(logit(j) - max));
        logits.push_back(logit(j));
      }
      Number d = 0;
      for (const Number& term : terms) d += term;
      values.contrastive += share * (std::log(d) + max - logit(p));
      for (size_t k = 0; k < terms.size(); ++k) {
        g[k] += share * (terms[k] / d - (k == 0 ? 1. : 0.)) * logits[k];
      }
    }
    for (const Number& x : g) values.penalty += x * x;
    return values;
  }

  int64_t n_;
  PlainSettings settings_;
  std::vector<double> s_;  // (2n, 2n)
};

}  // namespace ipirm::ops

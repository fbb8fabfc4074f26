// The maximization risk of METHOD 5 written straight from its definition, differentiated by
// autograd: the oracle of the closed form. Needs the whole (M, M-1) matrix; for small n.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <vector>

namespace ipirm::ops {

// Column indices of row i's logits by position: the positive, then the negatives in order.
inline torch::Tensor position_columns(int64_t n) {
  std::vector<int64_t> columns;
  for (int64_t i = 0; i < 2 * n; ++i) {
    const int64_t p = (i + n) % (2 * n);
    columns.push_back(p);
    for (int64_t j = 0; j < 2 * n; ++j) {
      if (j != i && j != p) columns.push_back(j);
    }
  }
  return torch::tensor(columns).view({2 * n, 2 * n - 1});
}

struct PlainRisk {
  torch::Tensor contrastive, penalty, grad;  // (K), (K), (n, K)
};

// contrastive_e at the logits (M, M-1), for one environment's weights w (n).
inline torch::Tensor plain_contrastive(const torch::Tensor& logits, const torch::Tensor& w,
                                       const torch::Tensor& columns, bool nonorm) {
  const int64_t n = w.size(0);
  const auto u = w.repeat(2);
  const auto negatives = u.index_select(0, columns.slice(1, 1).flatten()).view({2 * n, 2 * n - 2});
  const auto scaled = negatives * (2. * n - 2) / negatives.sum(1, true);
  const auto positive = logits.slice(1, 0, 1);
  const auto d = positive.exp() + (scaled * logits.slice(1, 1).exp()).sum(1, true);
  const auto sum = (u * (d.log() - positive).squeeze(1)).sum();
  return nonorm ? sum / (2. * n) : sum / u.sum();
}

inline PlainRisk plain_risk(const torch::Tensor& z1, const torch::Tensor& z2,
                            const torch::Tensor& weights, double t, double irm_t, double irm_weight,
                            bool nonorm) {
  const int64_t n = z1.size(0);
  const auto columns = position_columns(n);
  const auto z = torch::cat({z1, z2});
  const auto l = z.mm(z.t()).gather(1, columns);
  const auto w = weights.detach().clone().requires_grad_(true);
  std::vector<torch::Tensor> contrastive, penalty;
  for (int64_t e = 0; e < weights.size(1); ++e) {
    contrastive.push_back(plain_contrastive(l / t, w.select(1, e), columns, nonorm));
    const auto ones = torch::ones({1, 2 * n - 1}, z.options().requires_grad(true));
    const auto at_irm = plain_contrastive(l / irm_t * ones, w.select(1, e), columns, nonorm);
    penalty.push_back(torch::autograd::grad({at_irm}, {ones}, {}, true, true)[0].square().sum());
  }
  const auto c = torch::stack(contrastive), p = torch::stack(penalty);
  const auto grad = torch::autograd::grad({c.mean() + irm_weight * p.mean()}, {w})[0];
  return {c.detach(), p.detach(), grad};
}

}  // namespace ipirm::ops

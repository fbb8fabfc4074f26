// InfoNCE and IRM penalty inside each environment (METHOD 4) by gathering its samples and
// differentiating by a vector of ones: the oracle of the masked and of the closed form.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <tuple>
#include <utility>
#include <vector>

#include "ops/plain_risk.h"

namespace ipirm::ops {

// InfoNCE and penalty of a set of samples on their own.
inline std::pair<torch::Tensor, torch::Tensor> plain_info_nce(const torch::Tensor& z1,
                                                              const torch::Tensor& z2, double t,
                                                              double irm_t) {
  const auto columns = position_columns(z1.size(0));
  const auto z = torch::cat({z1, z2});
  const auto l = z.mm(z.t()).gather(1, columns);
  const auto info_nce = [](const torch::Tensor& logits) {
    return (logits.logsumexp(1) - logits.select(1, 0)).mean();
  };
  const auto ones = torch::ones({1, l.size(1)}, z.options().requires_grad(true));
  const auto g = torch::autograd::grad({info_nce(l / irm_t * ones)}, {ones}, {}, true, true)[0];
  return {info_nce(l / t), g.square().sum()};
}

struct PlainEnvironmentLoss {
  torch::Tensor contrastive, penalty;  // (P, K), with an autograd graph; 0 where no sample is
};

inline PlainEnvironmentLoss plain_environment_loss(const torch::Tensor& z1, const torch::Tensor& z2,
                                                   const torch::Tensor& environment,
                                                   int64_t num_env, double t, double irm_t) {
  std::vector<torch::Tensor> contrastive, penalty;
  for (int64_t p = 0; p < environment.size(0); ++p) {
    for (int64_t e = 0; e < num_env; ++e) {
      const auto members = (environment[p] == e).nonzero().squeeze(1);
      auto c = torch::zeros({}, z1.options()), g2 = c;
      if (members.size(0) > 0) {
        std::tie(c, g2) =
            plain_info_nce(z1.index_select(0, members), z2.index_select(0, members), t, irm_t);
      }
      contrastive.push_back(c);
      penalty.push_back(g2);
    }
  }
  const auto by_partition = [&](const std::vector<torch::Tensor>& terms) {
    return torch::stack(terms).view({environment.size(0), num_env});
  };
  return {by_partition(contrastive), by_partition(penalty)};
}

}  // namespace ipirm::ops

// Draws, mixes and scores images under MixUp.
#include "ipirm/loss/mixup.h"

#include <algorithm>
#include <map>
#include <vector>

namespace ipirm::loss {

Mix draw_mix(core::KeyedRandom random, int64_t n, double alpha) {
  auto lam = torch::empty({n}, torch::kFloat64);
  auto values = lam.accessor<double, 1>();
  for (int64_t i = 0; i < n; ++i) {
    const double share = random.beta(alpha, alpha);
    values[i] = std::max(share, 1 - share);
  }
  return {lam, torch::tensor(core::permutation(random, n), torch::kInt64)};
}

torch::Tensor mix_images(const torch::Tensor& x, const Mix& mix) {
  std::vector<int64_t> an_image(static_cast<size_t>(x.dim()), 1);
  an_image.front() = x.size(0);
  const auto lam = mix.lam.to(x.options()).view(an_image);
  const auto partner = mix.partner.to(x.device());
  // Two rounded products and a sum: nothing that one device would fuse and another not.
  return x.mul(lam).add_(x.index_select(0, partner).mul_(1 - lam));
}

MixedTerms mixed_terms(const torch::Tensor& z1, const torch::Tensor& z2, const Mix& mix,
                       double temperature) {
  const auto n = z1.size(0);
  const auto l = z1.mm(z2.t()) / temperature;
  const auto log_q = l.log_softmax(1);
  const auto m = mix.lam.to(l.options()).mean();
  // Row i of the target distribution: m at column i, 1 - m at its partner.
  const auto partner = mix.partner.to(l.device()).unsqueeze(1);
  const auto target =
      (m * torch::eye(n, l.options())).scatter_add_(1, partner, (1 - m).expand({n, 1}));
  // d contrastive / d l_ij = (q_ij - target_ij) / n, and l_ij is what column j's factor multiplies.
  const auto g = ((log_q.exp() - target) * l).sum(0) / n;
  return {-(target * log_q).sum() / n, g.square().sum()};
}

namespace {

// The samples of each environment, in the order of the environments' first samples.
std::vector<std::vector<int64_t>> members(const torch::Tensor& environment) {
  std::vector<std::vector<int64_t>> groups;
  std::map<int64_t, size_t> number;
  const auto of_sample = environment.accessor<int64_t, 1>();
  for (int64_t i = 0; i < of_sample.size(0); ++i) {
    const auto [found, fresh] = number.emplace(of_sample[i], groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].push_back(i);
  }
  return groups;
}

MixedTerms embedded_terms(const torch::Tensor& view1, const torch::Tensor& z2,
                          const core::KeyedRandom& random, const LossOptions& options,
                          const Embed& embed) {
  const auto mix = draw_mix(random, view1.size(0), options.mixup.alpha);
  return mixed_terms(embed(mix_images(view1, mix)), z2, mix, options.temperature);
}

}  // namespace

MixedTerms mixed_environment_terms(const torch::Tensor& view1, const torch::Tensor& z2,
                                   const torch::Tensor& environment, int64_t p, const MixKey& key,
                                   const LossOptions& options, const Embed& embed) {
  std::vector<torch::Tensor> contrastive(static_cast<size_t>(options.num_env),
                                         torch::zeros({}, z2.options()));
  auto penalty = contrastive;
  size_t e = 0;
  for (const auto& group : members(environment)) {
    if (group.size() < 2) continue;
    const auto index = torch::tensor(group, torch::kInt64).to(view1.device());
    const auto own = view1.index_select(0, index).contiguous(view1.suggest_memory_format());
    const auto found = embedded_terms(own, z2.index_select(0, index),
                                      key.of_environment(p, group.front()), options, embed);
    contrastive[e] = found.contrastive;
    penalty[e++] = found.penalty;
  }
  return {torch::stack(contrastive).unsqueeze(0), torch::stack(penalty).unsqueeze(0)};
}

}  // namespace ipirm::loss

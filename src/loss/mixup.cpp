// Plans which images mix with which, mixes them, and scores mixed views.
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

}  // namespace

MixupPlan plan_mixup(const MixKey& key, int64_t batch_size, double alpha,
                     const torch::Tensor& environment) {
  TORCH_CHECK(
      batch_size >= 1 && batch_size <= MixKey::kMaxBatch && key.step >> MixKey::kStepBits == 0,
      "mixes are drawn for batches of at most ", MixKey::kMaxBatch, " images and steps below 2^",
      MixKey::kStepBits, "; found ", batch_size, " and step ", key.step);
  MixupPlan plan{draw_mix(key.of_batch(), batch_size, alpha), {}};
  const int64_t num_partitions = environment.defined() ? environment.size(0) : 0;
  for (int64_t p = 0; p < num_partitions; ++p) {
    auto& mixes = plan.partitions.emplace_back();
    for (const auto& group : members(environment[p])) {
      const auto size = static_cast<int64_t>(group.size());
      if (size < 2) continue;
      mixes.push_back({torch::tensor(group, torch::kInt64),
                       draw_mix(key.of_environment(p, group.front()), size, alpha)});
    }
  }
  return plan;
}

MixedTerms environments_side_by_side(const std::vector<MixedTerms>& terms, int64_t num_env,
                                     const torch::TensorOptions& options) {
  std::vector<torch::Tensor> contrastive(static_cast<size_t>(num_env), torch::zeros({}, options));
  auto penalty = contrastive;
  for (size_t e = 0; e < terms.size(); ++e) {
    contrastive[e] = terms[e].contrastive;
    penalty[e] = terms[e].penalty;
  }
  return {torch::stack(contrastive).unsqueeze(0), torch::stack(penalty).unsqueeze(0)};
}

}  // namespace ipirm::loss

// Plans which images mix with which, mixes them, and scores mixed views.
#include "ipirm/loss/mixup.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "ipirm/core/to_device.h"

namespace ipirm::loss {
namespace {

// Draws into a mix that has its tensors already, on the CPU.
void fill_mix(Mix& mix, core::KeyedRandom random, double alpha) {
  const int64_t n = mix.lam.size(0);
  auto values = mix.lam.accessor<double, 1>();
  for (int64_t i = 0; i < n; ++i) {
    const double share = random.beta(alpha, alpha);
    values[i] = std::max(share, 1 - share);
  }
  std::ranges::copy(core::permutation(random, n), mix.partner.mutable_data_ptr<int64_t>());
}

}  // namespace

Mix draw_mix(core::KeyedRandom random, int64_t n, double alpha) {
  Mix mix{torch::empty({n}, torch::kFloat64), torch::empty({n}, torch::kInt64)};
  fill_mix(mix, random, alpha);
  return mix;
}

torch::Tensor mix_images(const torch::Tensor& x, const torch::Tensor& other,
                         const torch::Tensor& lam) {
  std::vector<int64_t> an_image(static_cast<size_t>(x.dim()), 1);
  an_image.front() = x.size(0);
  const auto share = lam.to(x.options()).view(an_image);
  // Two rounded products and a sum: nothing that one device would fuse and another not.
  return x.mul(share).add_(other.mul(1 - share));
}

torch::Tensor mix_images(const torch::Tensor& x, const Mix& mix) {
  return mix_images(x, x.index_select(0, mix.partner), mix.lam);
}

MixedTerms mixed_terms(const torch::Tensor& z1, const torch::Tensor& z2, const Mix& mix,
                       double temperature) {
  const auto n = z1.size(0);
  const auto l = z1.mm(z2.t()) / temperature;
  const auto log_q = l.log_softmax(1);
  const auto m = mix.lam.to(l.options()).mean();
  // Row i of the target distribution: m at column i, 1 - m at its partner.
  const auto other = torch::zeros({n, n}, l.options())
                         .scatter_(1, mix.partner.unsqueeze(1), (1 - m).expand({n, 1}));
  const auto target = (m * torch::eye(n, l.options())).add_(other);
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

// For each partition the sizes of the environments that are mixed.
using Sizes = std::vector<std::vector<int64_t>>;

// A plan whose tensors are parts of `numbers`, which may hold nothing yet: two of them for each
// sample of the batch, three for each of an environment.
MixupPlan cut_plan(const torch::Tensor& numbers, int64_t batch_size, const Sizes& sizes) {
  int64_t first = 0;
  const auto next = [&](int64_t n) {
    first += n;
    return numbers.slice(0, first - n, first);
  };
  const auto next_mix = [&](int64_t n) {
    auto lam = next(n).view(torch::kFloat64);
    return Mix{std::move(lam), next(n)};
  };
  MixupPlan plan{numbers, next_mix(batch_size), {}};
  for (const auto& environments : sizes) {
    auto& mixes = plan.partitions.emplace_back();
    for (const int64_t n : environments) {
      auto samples = next(n);
      mixes.push_back({std::move(samples), next_mix(n)});
    }
  }
  return plan;
}

}  // namespace

MixupPlan plan_mixup(const MixKey& key, int64_t batch_size, double alpha,
                     const torch::Tensor& environment) {
  TORCH_CHECK(
      batch_size >= 1 && batch_size <= MixKey::kMaxBatch && key.step >> MixKey::kStepBits == 0,
      "mixes are drawn for batches of at most ", MixKey::kMaxBatch, " images and steps below 2^",
      MixKey::kStepBits, "; found ", batch_size, " and step ", key.step);
  std::vector<std::vector<std::vector<int64_t>>> groups;
  Sizes sizes;
  int64_t count = 2 * batch_size;
  const int64_t num_partitions = environment.defined() ? environment.size(0) : 0;
  for (int64_t p = 0; p < num_partitions; ++p) {
    groups.push_back(members(environment[p]));
    std::erase_if(groups.back(), [](const auto& group) { return group.size() < 2; });
    sizes.emplace_back();
    for (const auto& group : groups.back()) {
      sizes.back().push_back(static_cast<int64_t>(group.size()));
      count += 3 * sizes.back().back();
    }
  }
  auto plan = cut_plan(torch::empty({count}, torch::kInt64), batch_size, sizes);
  fill_mix(plan.batch, key.of_batch(), alpha);
  for (size_t p = 0; p < groups.size(); ++p) {
    for (size_t e = 0; e < groups[p].size(); ++e) {
      const auto& group = groups[p][e];
      auto& [samples, mix] = plan.partitions[p][e];
      std::ranges::copy(group, samples.mutable_data_ptr<int64_t>());
      fill_mix(mix, key.of_environment(static_cast<int64_t>(p), group.front()), alpha);
    }
  }
  return plan;
}

MixupPlan to_device(const MixupPlan& plan, torch::Device device) {
  if (plan.numbers.device() == device) return plan;
  Sizes sizes;
  for (const auto& mixes : plan.partitions) {
    sizes.emplace_back();
    for (const auto& [samples, mix] : mixes) sizes.back().push_back(samples.size(0));
  }
  return cut_plan(core::to_device(plan.numbers, device), plan.batch.lam.size(0), sizes);
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

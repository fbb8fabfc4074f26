// Draws random partitions and cuts known factors into environments.
#include "ipirm/partition/sources.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"

namespace ipirm::partition {
namespace {

// The environment of each value: contiguous ranges of those that occur, nearest to equal sizes.
std::vector<int64_t> cut(const std::vector<int64_t>& counts, int64_t num_samples, int64_t num_env) {
  std::vector<int64_t> environment(counts.size(), 0);
  int64_t values_left = 0;
  for (const int64_t count : counts) values_left += count > 0;
  int64_t e = 0, values_in = 0, before = 0;  // of environment e; samples of all values so far
  // How far the end of environment e is from its due place, in samples times K.
  const auto distance = [&](int64_t samples) {
    return std::abs(samples * num_env - (e + 1) * num_samples);
  };
  for (size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    const bool all_needed = values_left < num_env - e;  // one each for the environments after e
    if (values_in > 0 && e + 1 < num_env &&
        (all_needed || distance(before) <= distance(before + counts[value]))) {
      ++e;
      values_in = 0;
    }
    environment[value] = e;
    ++values_in;
    --values_left;
    before += counts[value];
  }
  return environment;
}

}  // namespace

torch::Tensor hard_logits(const torch::Tensor& environment, int64_t num_env) {
  auto logits = at::zeros({environment.size(0), num_env}, torch::kFloat32);
  return logits.scatter_(1, environment.unsqueeze(1), kHardLogit);
}

torch::Tensor random_partition(int64_t num_samples, int64_t num_env, uint64_t seed,
                               uint64_t maximization, const BalanceOptions& balance) {
  auto environment = at::empty({num_samples}, torch::kInt64);
  int64_t* const of = environment.mutable_data_ptr<int64_t>();
  if (balance.constrain) {
    const auto order = core::permutation(
        core::KeyedRandom(seed, core::Purpose::kPartitionDraw, maximization), num_samples);
    for (int64_t rank = 0; rank < num_samples; ++rank)
      of[order[static_cast<size_t>(rank)]] = rank * num_env / num_samples;
  } else {
    for (int64_t i = 0; i < num_samples; ++i) {
      core::KeyedRandom random(seed, core::Purpose::kPartitionDraw, maximization,
                               static_cast<uint64_t>(i));
      of[i] = random.below(static_cast<uint32_t>(num_env));
    }
  }
  return hard_logits(environment, num_env);
}

torch::Tensor factor_partition(const torch::Tensor& values, int64_t num_values, int64_t num_env,
                               const std::string& name) {
  const auto known = values.to(torch::kCPU).contiguous();
  const int64_t* const value = known.const_data_ptr<int64_t>();
  std::vector<int64_t> counts(static_cast<size_t>(num_values), 0);
  int64_t unknown = 0;
  for (int64_t i = 0; i < known.numel(); ++i) {
    TORCH_CHECK_INDEX(value[i] < num_values, "value ", value[i], " of a factor of ", num_values);
    value[i] < 0 ? ++unknown : ++counts[static_cast<size_t>(value[i])];
  }
  if (unknown > 0) {
    throw core::UserError(core::cat("factor '", name, "': its value is unknown for ", unknown,
                                    " of ", known.numel(), " images, which have no environment ",
                                    "then; name a factor that is known for all"));
  }
  int64_t occurring = 0;
  for (const int64_t count : counts) occurring += count > 0;
  if (occurring < num_env) {
    throw core::UserError(core::cat(
        "factor '", name, "' has ", occurring, " values among the images, fewer than --env_num ",
        num_env, "; lower --env_num to ", occurring, " or less, or name a factor of more values"));
  }
  const auto environment = cut(counts, known.numel(), num_env);
  return hard_logits(at::tensor(environment, torch::kInt64).index_select(0, known), num_env);
}

}  // namespace ipirm::partition

// Partitions that no search has made: the controls beside it (METHOD 5).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "ipirm/partition/options.h"

namespace ipirm::partition {

// The logit of a sample's own environment in a hard partition; those of the others are 0. Its
// softmax weight is then 1 within 2e-9 for each other environment: in float32 exactly 1 for few
// environments, above .999 for the most that can be had.
inline constexpr float kHardLogit = 20;

// Logits (N, K) float32 on the CPU of a hard partition, environment (N) int64 in 0..K-1.
torch::Tensor hard_logits(const torch::Tensor& environment, int64_t num_env);

// A hard partition drawn by the key (seed, maximization), 1 <= K <= 65536: logits (N, K) float32 on
// the CPU. With `constrain` a random permutation is cut into K, so that any two sizes differ by one
// sample at most; otherwise every sample's environment is uniform and independent of the others'.
torch::Tensor random_partition(int64_t num_samples, int64_t num_env, uint64_t seed,
                               uint64_t maximization, const BalanceOptions& balance);

// The partition by a known factor, the same at every call: logits (N, K) float32 on the CPU. values
// (N) int64 in 0..num_values-1; only those that some sample has count. Environments are contiguous
// ranges of values in ascending order: environment e ends after the value at which the number of
// samples so far is nearest to (e + 1) N / K (of two equally near the smaller), but holds at least
// one value and leaves at least one to each environment after it. So with K values the environments
// are the values. Throws UserError, naming the factor by `name`, for fewer than K values and for a
// value that is unknown (-1).
torch::Tensor factor_partition(const torch::Tensor& values, int64_t num_values, int64_t num_env,
                               const std::string& name);

}  // namespace ipirm::partition

// What a partition shares with what is known about the images, and with the partition before it
// (METHOD 5): numbers to judge it by, which nothing is trained on.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ipirm::partition {

// Something known about each of N samples.
struct KnownFactor {
  std::string name;
  torch::Tensor values;  // (N) int64; below 0 where unknown
};

// What environments tell about a factor.
struct FactorShare {
  std::string name;
  double information = 0;  // mutual information of environment and value, nats
  double entropy = 0;      // of the values, nats
  double share = 0;        // information / entropy, 0..1; 0 where the entropy is 0
};

// environment (N) int64 >= 0 is hard: it counts how often each environment and value meet, with no
// correction for chance (random environments share about (K-1)(V-1)/2N nats with V values). Samples
// of unknown value are left out.
FactorShare factor_share(const torch::Tensor& environment, const KnownFactor& factor);

// Mean over the samples of the largest softmax weight of logits (N, K): 1/K where nothing is
// decided, 1 for a hard partition.
double certainty(const torch::Tensor& logits);

// How alike two hard partitions a, b (N) int64 >= 0 of N >= 1 samples are, whatever their
// environments are called: the share of samples in environments that belong together, under the
// one-to-one matching of the environments for which it is greatest. From about 1/K (unrelated) to 1
// (equal). Exact up to 256 environments; beyond, pairs are matched greedily, largest first, which
// gives at least half of it.
double overlap(const torch::Tensor& a, const torch::Tensor& b);

// All of it for one partition.
struct Judgement {
  std::vector<FactorShare> factors;  // in the order given
  double certainty = 0;
  std::optional<double> overlap;  // with the partition before; nothing for the first
};

// logits (N, K) on any device; before: the logits of the partition before, undefined where there is
// none. Environments are the argmax of the logits: weights that are undecided count as if they were
// not.
Judgement judge(const torch::Tensor& logits, const std::vector<KnownFactor>& factors,
                const torch::Tensor& before);

}  // namespace ipirm::partition

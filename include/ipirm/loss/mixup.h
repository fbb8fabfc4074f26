// MixUp (METHOD 6): the plan of what is mixed with what, and the contrastive loss and IRM penalty
// of mixed views. Pure functions: who embeds the images is the step's business.
#pragma once

#include <torch/types.h>

#include <vector>

#include "ipirm/core/keyed_random.h"
#include "ipirm/loss/options.h"

namespace ipirm::loss {

// What a step's mixes are drawn from: a stream for the whole batch, and one for each environment.
struct MixKey {
  // A step and a place in its batch share the bits of a sample's number.
  static constexpr int kPlaceBits = 24;
  static constexpr int64_t kMaxBatch = int64_t{1} << kPlaceBits;
  static constexpr int kStepBits = core::KeyedRandom::kSampleBits - kPlaceBits;
  // View 0 is the whole batch's; the partitions share the others in turn.
  static constexpr int64_t kPartitionViews = (1 << core::KeyedRandom::kViewBits) - 1;

  uint64_t seed = 1234, epoch = 0;
  uint64_t step = 0;  // within the epoch, from 0, of at most kStepBits bits

  core::KeyedRandom of_batch() const { return stream(0, 0); }
  // The environment of partition p in which the batch's sample number `first` is the first. Keyed
  // by that and not by the environment's number, so that renaming environments changes no image.
  core::KeyedRandom of_environment(int64_t p, int64_t first) const {
    return stream(static_cast<uint32_t>(1 + p % kPartitionViews), static_cast<uint64_t>(first));
  }

 private:
  core::KeyedRandom stream(uint32_t view, uint64_t place) const {
    return {seed, core::Purpose::kMixup, epoch, step << kPlaceBits | place, view};
  }
};

// How the n images of a batch are mixed.
struct Mix {
  torch::Tensor lam;      // (n) in [.5, 1], share of the image itself
  torch::Tensor partner;  // (n) int64 in 0..n-1, the image mixed in; undefined where it is not used
};

// Coefficients max(l, 1 - l), l ~ Beta(alpha, alpha), one an image, and a permutation for the
// partners, all from one stream. n >= 1, alpha > 0. On the CPU, float64.
Mix draw_mix(core::KeyedRandom random, int64_t n, double alpha);

// lam x + (1 - lam) other image by image; x and other (n, ...), lam (n) on x's device. The result
// has x's type and memory format, and the same bits on every device.
torch::Tensor mix_images(const torch::Tensor& x, const torch::Tensor& other,
                         const torch::Tensor& lam);
// The same with x[partner] as the others.
torch::Tensor mix_images(const torch::Tensor& x, const Mix& mix);

// Of one batch, or of one environment's samples; scalars with a graph.
struct MixedTerms {
  torch::Tensor contrastive;
  torch::Tensor penalty;
};

// With l = z1 z2ᵀ / temperature (n, n), m the mean of lam and CE the mean over rows:
//   contrastive = m CE(l, own row) + (1 - m) CE(l, partner)
//   penalty     = Σ_k g_k², g its gradient with respect to a vector of n ones that multiplies l
//                 column by column (columns are samples).
// z1 (n, d) projections of the mixed views, z2 (n, d) of the others, n >= 1. A single backward pass
// suffices: g is written out.
MixedTerms mixed_terms(const torch::Tensor& z1, const torch::Tensor& z2, const Mix& mix,
                       double temperature);

// How one environment's samples are mixed among themselves.
struct EnvironmentMix {
  torch::Tensor samples;  // (n) int64: places in the batch, ascending; n >= 2
  Mix mix;                // of these n
};

// All mixes of one step, known before it starts: which images mix with which, and how.
struct MixupPlan {
  // What all tensors below are parts of (int64, shares as their bits): one copy brings the plan to
  // another device.
  torch::Tensor numbers;
  Mix batch;  // of the whole batch
  // For each partition its environments of two samples or more, in the order of their first samples
  // in the batch. A smaller one is not embedded and counts 0.
  std::vector<std::vector<EnvironmentMix>> partitions;
};

// environment (P, B) int64 on the CPU, as the plan; undefined: no partitions. batch_size B, 1 to
// MixKey::kMaxBatch; alpha > 0. Throws c10::Error or std::out_of_range beyond what the key can
// tell apart.
MixupPlan plan_mixup(const MixKey& key, int64_t batch_size, double alpha,
                     const torch::Tensor& environment);

// The plan with its tensors on `device`, for which the host does not wait.
MixupPlan to_device(const MixupPlan& plan, torch::Device device);

// The environments' terms as one partition's, (1, K) each; zeros of `options` for those that were
// not embedded. At most K of them.
MixedTerms environments_side_by_side(const std::vector<MixedTerms>& terms, int64_t num_env,
                                     const torch::TensorOptions& options);

}  // namespace ipirm::loss

// The minimization step under MixUp (METHOD 6), with and without environments.
#pragma once

#include "ipirm/dist/gradient_sum.h"
#include "ipirm/dist/share.h"
#include "ipirm/loss/mixup.h"
#include "ipirm/model/bf16_weights.h"
#include "ipirm/train/step.h"

namespace ipirm::train {

// How much of the weights is cast to bfloat16 at once: among several ranks as much as a bucket of
// gradients holds, so that one can be sent before all gradients are back.
inline int64_t bf16_part(const dist::Group& group) {
  return group.is_alone() ? model::Bf16Weights::kWhole : dist::GradientSum::kBucketBytes;
}

// The whole batch is embedded first, mixed view before plain one, whether its loss counts or not:
// BatchNorm's running statistics depend on it. Then come each partition's environments, their first
// views mixed anew. Without retain_group one sum is back-propagated. With it the whole batch's loss
// is, then each partition's alone, its second views embedded again: the gradients add up, and
// memory stays that of one partition.
class MixupStep : public Step {
 public:
  MixupStep(const loss::LossOptions& loss, const StepOptions& options)
      : loss_(loss), options_(options) {}
  bool uses_partitions() const override { return !loss_.baseline; }
  loss::NamedTerms run(model::Model& model, ops::Adam& adam, const StepInput& input) override;

 private:
  torch::Tensor embed(model::Model& model, const torch::Tensor& images) const;
  // All rows of z (n, d), of which each rank embeds its share: of `images` mixed among themselves,
  // or as they are.
  torch::Tensor embed_mixed(model::Model& model, const torch::Tensor& images, const loss::Mix& mix,
                            const dist::Shares& shares) const;
  torch::Tensor embed_own(model::Model& model, const torch::Tensor& own,
                          const dist::Shares& shares) const;
  // Contrastive term and penalty (1, K) of one partition, view1 (B, 3, H, W) being the first views
  // and z2 (B, d) the second views' projections.
  loss::MixedTerms partition_terms(model::Model& model, const torch::Tensor& view1,
                                   const torch::Tensor& z2,
                                   const std::vector<loss::EnvironmentMix>& mixes) const;

  loss::LossOptions loss_;
  StepOptions options_;
};

}  // namespace ipirm::train

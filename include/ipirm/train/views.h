// Augmented views of an image set as loader batches, and the features that a maximization needs of
// them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ipirm/augment/options.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image_set.h"
#include "ipirm/data/loader.h"
#include "ipirm/dist/group.h"
#include "ipirm/model/keep_mode.h"
#include "ipirm/model/model.h"
#include "ipirm/partition/maximizer.h"

namespace ipirm::train {

// Everything that decides what the views of a set look like and where they are used.
struct ViewSource {
  std::shared_ptr<const data::ImageSet> set;
  augment::AugmentOptions augment;
  data::LoaderOptions loader;
  uint64_t seed = 1234;
  // The ranks among which batches are shared out.
  std::shared_ptr<dist::Group> group = dist::alone();
};

// A pass over `order` in batches of batch_size with two views a sample, keyed by (seed, purpose,
// epoch, sample, view). Each batch that comes out is this rank's share of one.
data::Loader two_view_loader(const ViewSource& source, core::Purpose purpose, uint64_t epoch,
                             std::vector<int64_t> order, int64_t batch_size, bool drop_last,
                             int64_t first_batch = 0);

// Projections (N, d) float32 of two views of every sample, on the model's device.
struct FeatureBank {
  torch::Tensor z1, z2;
  // (N) where the first views were mixed, otherwise undefined.
  torch::Tensor lam;
};

// Embeds two views of every sample with the network in evaluation mode (restored afterwards); each
// rank embeds its shares and has the whole bank. maximization: the epoch after which it runs, 0
// before the first. Ends early with an empty bank (z1 undefined) when the ranks stop. chunk:
// samples a forward pass of all ranks. With options.mixup the first views are mixed before, batch
// by batch of options.batch_size in the set's order.
FeatureBank embed_views(model::Model& model, const ViewSource& source,
                        const partition::MaximizeOptions& options, uint64_t maximization,
                        int64_t chunk, bool bf16);

// The features of an online maximization: each pass embeds fresh views, the first one mixed with
// options.mixup; its last partial batch is dropped.
class OnlineSource : public partition::FeatureSource {
 public:
  // batch_size 0, or larger than the set: the whole set. Uses model in evaluation mode until
  // destroyed.
  OnlineSource(model::Model model, ViewSource source, const partition::MaximizeOptions& options,
               uint64_t maximization, int64_t chunk, bool bf16);

  int64_t size() const override { return source_.set->size(); }
  int64_t batches_per_pass() const override { return size() / batch_size_; }
  void start_pass(int64_t pass) override;
  std::optional<partition::FeatureBatch> next() override;

 private:
  model::Model model_;
  ViewSource source_;
  partition::MaximizeOptions options_;
  int64_t batch_size_, chunk_;
  bool bf16_;
  model::KeepMode evaluating_;
  uint64_t maximization_;
  // Of the pass, and the number of its next batch.
  uint64_t key_ = 0, batch_ = 0;
  // Of the pass: the whole order of the samples, (N) int64.
  torch::Tensor order_;
  std::unique_ptr<data::Loader> loader_;
};

}  // namespace ipirm::train

// Embeds a whole image set with a network in evaluation mode.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ipirm/data/image_set.h"
#include "ipirm/data/loader.h"
#include "ipirm/dist/group.h"
#include "ipirm/eval/options.h"
#include "ipirm/model/model.h"

namespace ipirm::eval {

// Where and how a network is run.
struct RunOptions {
  torch::Device device = torch::kCPU;
  bool bf16 = false;  // autocast to bfloat16
  data::LoaderOptions loader;
  int64_t batch_size = 256;  // images a forward pass
  int crop_size = 32;        // side of the test views where images come in sizes of their own
  // The ranks among which a set is shared out.
  std::shared_ptr<dist::Group> group = dist::alone();
};

// The width d of such features.
int64_t feature_width(const model::Model& model, FeatureKind kind);

// Hands the features of the test views of this rank's share of the set to `take`, batch after batch
// in the set's order: (B, d) float32 on the device. False once the ranks stop, which ends the work
// early. The network's mode is restored afterwards. progress_label: what the work is called on the
// progress line. The network lies on the device; the set holds at least one image, all of one size
// unless it says differing_sizes() (UserError otherwise).
bool visit_test_views(model::Model& model, const data::ImageSet& set, const RunOptions& options,
                      const std::string& progress_label, FeatureKind kind,
                      const std::function<void(const torch::Tensor& features)>& take);

// Those of this rank's share, (n, d) float32 on the device; undefined once the ranks stop.
torch::Tensor embed_test_views(model::Model& model, const data::ImageSet& set,
                               const RunOptions& options, const std::string& progress_label,
                               FeatureKind kind = FeatureKind::kHNormalized);
// Those of the whole set, (N, d), gathered from all ranks; undefined once they stop.
torch::Tensor embed_whole_set(model::Model& model, const data::ImageSet& set,
                              const RunOptions& options, const std::string& progress_label,
                              FeatureKind kind = FeatureKind::kHNormalized);

}  // namespace ipirm::eval

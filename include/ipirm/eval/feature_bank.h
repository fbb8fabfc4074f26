// Embeds a whole image set with a network in evaluation mode.
#pragma once

#include <torch/types.h>

#include <string>

#include "ipirm/data/image_set.h"
#include "ipirm/data/loader.h"
#include "ipirm/model/model.h"

namespace ipirm::eval {

// Where and how a network is run.
struct RunOptions {
  torch::Device device = torch::kCPU;
  bool bf16 = false;  // autocast to bfloat16
  data::LoaderOptions loader;
  int64_t batch_size = 256;  // images a forward pass
  int crop_size = 32;        // side of the test views where images come in sizes of their own
};

// Features h/|h| of the set's test views in the set's order, (N, F) float32 on the device; without
// meaning once core::interrupted(), which ends the work early. The
// network's mode is restored afterwards. progress_label: what the work is called on the progress
// line. The network lies on the device; the set holds at least one image, all of one size
// unless it says differing_sizes() (UserError otherwise).
torch::Tensor embed_test_views(model::Model& model, const data::ImageSet& set,
                               const RunOptions& options, const std::string& progress_label);

}  // namespace ipirm::eval

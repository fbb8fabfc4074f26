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

// Returns the features h/|h| of the set's test views in the set's order, (N, F) float32 on the
// device, where the network lies. They have no meaning once core::interrupted(), which ends the
// work early. The network's mode is restored afterwards. progress_label is what the progress line
// calls the work. Throws UserError where the set holds no image, or images of several sizes without
// saying differing_sizes().
torch::Tensor embed_test_views(model::Model& model, const data::ImageSet& set,
                               const RunOptions& options, const std::string& progress_label);

}  // namespace ipirm::eval

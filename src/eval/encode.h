// Runs the encoder over an image set's test views.
#pragma once

#include <torch/types.h>

#include <string>

#include "ipirm/data/image_set.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/model/model.h"

namespace ipirm::eval {

// h of the set's test views in the set's order, (N, F) float32 on the device; rows of length 1
// where `normalise`. The network is in evaluation mode meanwhile. Throws as embed_test_views.
torch::Tensor encode_test_views(model::Model& model, const data::ImageSet& set,
                                const RunOptions& options, const std::string& progress_label,
                                bool normalise);

}  // namespace ipirm::eval

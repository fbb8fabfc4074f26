// What the embedding projector of TensorBoard shows at a run's end.
#pragma once

#include <filesystem>

#include "ipirm/data/image_set.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/model/model.h"

namespace ipirm::app {

// Embeds test images (training images where there are none), spread over the set, in all ranks, and
// writes the principal components of h/|h|, at most 64 of them, as the projector's files into
// `folder` in rank 0. Writes nothing once the ranks stop. Throws WriteError.
void project_features(model::Model& model, const data::DataSets& sets,
                      const eval::RunOptions& options, const std::filesystem::path& folder);

}  // namespace ipirm::app

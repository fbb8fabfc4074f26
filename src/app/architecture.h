// Reads off the names and shapes of weights which network they belong to.
#pragma once

#include <filesystem>

#include "ipirm/checkpoint/weight_names.h"
#include "ipirm/model/options.h"

namespace ipirm::app {

// Architecture, width and feature_dim (its default where there is no head) of the network whose
// weights these are (METHOD 3 and 7). Throws UserError naming `source`, and what was found, if they
// are no such network's.
model::ModelOptions infer_architecture(const checkpoint::NamedWeights& weights,
                                       const std::filesystem::path& source);

}  // namespace ipirm::app

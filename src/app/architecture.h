// Reads off a checkpoint's names and shapes which network it belongs to.
#pragma once

#include <filesystem>

#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/model/options.h"

namespace ipirm::app {

// Architecture, width and feature_dim of the network whose weights these are (SPEC 3 and 7). Throws
// UserError naming `source` if they are no such network's.
model::ModelOptions infer_architecture(const checkpoint::StateDict& weights,
                                       const std::filesystem::path& source);

}  // namespace ipirm::app

// Takes a network's weights out of a file of this or of another program.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>

#include "ipirm/checkpoint/weight_names.h"
#include "ipirm/model/model.h"

namespace ipirm::app {

// Says in a line of the log what was assumed about the file, if anything; without_head ends that
// line where the file holds no projection head. Throws UserError.
checkpoint::NamedWeights read_weights(
    const std::filesystem::path& source, const std::string& without_head = "",
    checkpoint::RunState run_state = checkpoint::RunState::kRefuse);

// Copies the weights into the network; a head that they lack stays as it is. Throws UserError,
// naming `source`, and changes nothing if they do not fit.
void load_weights(model::Model& model, const checkpoint::NamedWeights& weights,
                  const std::filesystem::path& source);

// A network of these options with the weights, on the device, its convolutions channels-last.
// Throws as load_weights().
model::Model make_model(const model::ModelOptions& options, const checkpoint::NamedWeights& weights,
                        const std::filesystem::path& source, torch::Device device);

// Does both for a network that exists already: refuses a file of another architecture or width,
// naming the flags to give, and leaves the head as it is where the file holds none.
void load_pretrained(model::Model& model, const std::filesystem::path& source);

}  // namespace ipirm::app

// The names that weights of this network bear in files of this and of other programs.
#pragma once

#include <filesystem>
#include <string>

#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {

enum class Naming {
  kReference,   // f.0.weight ... g.3.bias, as ipirm-train writes it behind "module."
  kTorchvision  // conv1.weight ... layer4.1.bn2.bias: a ResNet, whose fc is left out; never a head
};

// What torchvision's ResNets call the encoder's tensor `name` ("f.3.0.conv1.weight" is
// "layer1.0.conv1.weight"); "" if it is none of the encoder's.
std::string torchvision_name(const std::string& name);

// Weights found in a file, under bare names of its own naming, and of nothing but the network.
struct NamedWeights {
  StateDict tensors;
  Naming naming = Naming::kReference;
  bool has_head = false;
  // What was assumed, for a line of the log: "read 'state_dict', stripped 'module.'"; "" where the
  // file is as ipirm-train writes it.
  std::string assumed;

  // The file's name for a tensor of the network: torchvision's, or `name` itself.
  std::string name_of(const std::string& name) const;
};

// What is done with a run's whole state, state.pt.
enum class RunState { kRefuse, kTakeWeights };

// Finds the encoder behind any of the prefixes that wrappers add ("module.", "encoder_q.",
// "backbone.", one behind another; "_orig_mod." at any place), leaves out what other tools put
// beside it (total_ops, total_params, fc, names without its prefix), and says so. Throws UserError,
// naming `source`, for a run's whole state (kRefuse), for no encoder or two, for a prefix that only
// some of the encoder's names have, for a name of the network that holds no tensor, and for values
// that are not finite in float32 (or a variance below 0), with their place.
NamedWeights name_weights(const TorchContent& content, const std::filesystem::path& source,
                          RunState run_state = RunState::kRefuse);

}  // namespace ipirm::checkpoint

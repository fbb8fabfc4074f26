// The network's weights in bfloat16, for as long as a step embeds its views.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace ipirm::model {

// While it lives, the convolutions and linear layers of `network` compute with bfloat16 copies of
// their parameters, made by a call for each part of them, and gradients come back through them by
// another, as soon as all of the part are there.
// Autocast makes the same copies one by one: over a hundred launches more of a ResNet-50 on a GPU.
// Where a weight is used twice, its gradients are added in bfloat16, as autocast does in Python.
// The parameters themselves stay what they are. Graphs that were made meanwhile may outlive it.
class Bf16Weights {
 public:
  // One part for all parameters.
  static constexpr int64_t kWhole = std::numeric_limits<int64_t>::max();

  // bf16 false: does nothing. part_bytes: parameters go into one part, in the network's order,
  // until they have so many bytes.
  Bf16Weights(const torch::nn::Module& network, bool bf16, int64_t part_bytes = kWhole);
  ~Bf16Weights();
  Bf16Weights(const Bf16Weights&) = delete;
  Bf16Weights& operator=(const Bf16Weights&) = delete;

 private:
  // What each layer computes with, and the parameter that belongs there.
  std::vector<std::pair<torch::Tensor*, torch::Tensor>> replaced_;
};

}  // namespace ipirm::model

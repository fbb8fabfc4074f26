// Copies weights to bfloat16, and their gradients back, by calls over lists of tensors.
#include "ipirm/model/bf16_weights.h"

#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

namespace ipirm::model {
namespace {

using torch::Tensor;
using torch::autograd::variable_list;

variable_list copies_in(at::ScalarType type, at::TensorList tensors) {
  variable_list copies;
  for (const Tensor& tensor : tensors)
    copies.push_back(at::empty_like(tensor, tensor.options().dtype(type)));
  at::_foreach_copy_(copies, tensors);
  return copies;
}

struct ToBfloat16 : torch::autograd::Function<ToBfloat16> {
  static variable_list forward(torch::autograd::AutogradContext* ctx, at::TensorList parameters) {
    ctx->saved_data["type"] = parameters[0].scalar_type();
    return copies_in(at::kBFloat16, parameters);
  }
  static variable_list backward(torch::autograd::AutogradContext* ctx, variable_list gradients) {
    return copies_in(ctx->saved_data["type"].toScalarType(), gradients);
  }
};

}  // namespace

Bf16Weights::Bf16Weights(const torch::nn::Module& network, bool bf16, int64_t part_bytes) {
  if (!bf16) return;
  const auto note = [&](Tensor& parameter) {
    if (parameter.defined()) replaced_.emplace_back(&parameter, parameter);
  };
  for (const auto& module : network.modules()) {
    if (auto* convolution = module->as<torch::nn::Conv2d>()) {
      note(convolution->weight);
      note(convolution->bias);
    } else if (auto* linear = module->as<torch::nn::Linear>()) {
      note(linear->weight);
      note(linear->bias);
    }
  }
  for (size_t first = 0; first < replaced_.size();) {
    variable_list part;
    for (int64_t bytes = 0; first + part.size() < replaced_.size() && bytes < part_bytes;) {
      part.push_back(replaced_[first + part.size()].second);
      bytes += static_cast<int64_t>(part.back().nbytes());
    }
    const auto copies = ToBfloat16::apply(at::TensorList(part));
    // The engine takes the youngest node that is ready first: this one, made before the forward
    // pass, would wait for the whole backward pass.
    if (const auto& node = copies.front().grad_fn())
      node->set_sequence_nr(std::numeric_limits<uint64_t>::max());
    for (const auto& copy : copies) *replaced_[first++].first = copy;
  }
}

Bf16Weights::~Bf16Weights() {
  for (const auto& [place, parameter] : replaced_) *place = parameter;
}

}  // namespace ipirm::model

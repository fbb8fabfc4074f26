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

Bf16Weights::Bf16Weights(const torch::nn::Module& network, bool bf16) {
  if (!bf16) return;
  variable_list parameters;
  const auto replace = [&](Tensor& parameter) {
    if (!parameter.defined()) return;
    parameters.push_back(parameter);
    replaced_.emplace_back(&parameter, parameter);
  };
  for (const auto& module : network.modules()) {
    if (auto* convolution = module->as<torch::nn::Conv2d>()) {
      replace(convolution->weight);
      replace(convolution->bias);
    } else if (auto* linear = module->as<torch::nn::Linear>()) {
      replace(linear->weight);
      replace(linear->bias);
    }
  }
  if (parameters.empty()) return;
  const auto copies = ToBfloat16::apply(at::TensorList(parameters));
  for (size_t i = 0; i < copies.size(); ++i) *replaced_[i].first = copies[i];
}

Bf16Weights::~Bf16Weights() {
  for (const auto& [place, parameter] : replaced_) *place = parameter;
}

}  // namespace ipirm::model

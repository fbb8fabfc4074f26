// The network of METHOD 3: encoder, projection head and normalisation.
#include "ipirm/model/model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/_foreach_add.h>
#include <torch/nn/functional/normalization.h>

#include "ipirm/core/error.h"
#include "model/batch_norm.h"
#include "model/projection_head.h"
#include "model/resnet.h"

namespace ipirm::model {
namespace {

// Rows of length 1, in float32 at least: bfloat16 projections would carry two digits into the loss.
torch::Tensor normalise_rows(const torch::Tensor& rows) {
  const bool reduced = at::isReducedFloatingType(rows.scalar_type());
  return torch::nn::functional::normalize(
      reduced ? rows.to(torch::kFloat32) : rows,
      torch::nn::functional::NormalizeFuncOptions().p(2).dim(1).eps(1e-12));
}

// Adds the counts of batches of a module's normalisations, which stay the same tensors.
void collect_batch_counts(const torch::nn::Module& module, std::vector<torch::Tensor>& counts) {
  for (const auto& part : module.modules()) {
    if (const auto* norm = part->as<BatchNormImpl>()) counts.push_back(norm->num_batches_tracked);
  }
}

}  // namespace

ModelImpl::ModelImpl(const ModelOptions& options) : options_(options) {
  if (!is_width(options.width))
    throw core::UserError(core::cat("width is ", options.width, "; expected ", kWidths));
  if (options.feature_dim < 1 || options.feature_dim > 65536) {
    throw core::UserError(
        core::cat("feature_dim is ", options.feature_dim, "; expected 1 to 65536"));
  }
  f_ = register_module("f",
                       std::make_shared<ResNetImpl>(architecture_of(options.arch), options.width));
  feature_size_ = f_->feature_size();
  g_ = register_module("g",
                       std::make_shared<ProjectionHeadImpl>(feature_size_, options.feature_dim));
  collect_batch_counts(*f_, batch_counts_);
  num_encoder_counts_ = batch_counts_.size();
  collect_batch_counts(*g_, batch_counts_);
}

Embedding ModelImpl::forward(const torch::Tensor& images) {
  const torch::Tensor h = f_->forward(images);
  return {normalise_rows(h), project_features(h)};
}

torch::Tensor ModelImpl::project(const torch::Tensor& images) {
  return project_features(f_->forward(images));
}

torch::Tensor ModelImpl::project_features(const torch::Tensor& h) {
  const torch::Tensor projection = g_->forward(h);
  if (is_training()) at::_foreach_add_(batch_counts_, 1);
  return normalise_rows(projection);
}

torch::Tensor ModelImpl::encode(const torch::Tensor& images) {
  const torch::Tensor h = f_->forward(images);
  if (is_training())
    at::_foreach_add_(at::TensorList(batch_counts_).slice(0, num_encoder_counts_), 1);
  return h;
}

void ModelImpl::synchronise_batch_norm(const std::shared_ptr<dist::Group>& group) {
  for (const auto& part : modules()) {
    if (auto* norm = part->as<BatchNormImpl>()) norm->synchronise(group);
  }
}

std::shared_ptr<torch::nn::Module> ModelImpl::clone(
    const std::optional<torch::Device>& device) const {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const torch::Tensor state = generator.get_state();
  auto copy = std::make_shared<ModelImpl>(options_);  // draws weights
  generator.set_state(state);

  const auto copy_data = [&](const torch::Tensor& from, torch::Tensor to) {
    const torch::Tensor data = from.detach().clone();
    to.set_data(device ? data.to(*device) : data);
  };
  const auto own_parameters = parameters(), parameters_of_copy = copy->parameters();
  for (size_t i = 0; i < own_parameters.size(); ++i) {
    copy_data(own_parameters[i], parameters_of_copy[i]);
    parameters_of_copy[i].requires_grad_(own_parameters[i].requires_grad());
  }
  const auto own_buffers = buffers(), buffers_of_copy = copy->buffers();
  for (size_t i = 0; i < own_buffers.size(); ++i) copy_data(own_buffers[i], buffers_of_copy[i]);
  copy->train(is_training());
  return copy;
}

void use_channels_last(torch::nn::Module& module) {
  for (torch::Tensor& parameter : module.parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(parameter.detach().contiguous(torch::MemoryFormat::ChannelsLast));
  }
}

}  // namespace ipirm::model

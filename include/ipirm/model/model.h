// The network of METHOD 3: a CIFAR-style ResNet encoder f and a projection head g.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipirm/dist/group.h"
#include "ipirm/model/options.h"

namespace ipirm::model {

class ResNetImpl;
class ProjectionHeadImpl;

// What the network makes of B images: float32 under autocast to bfloat16, otherwise of the type
// that the parameters have.
struct Embedding {
  torch::Tensor feature;     // h/|h|, (B, F)
  torch::Tensor projection;  // z = g(h)/|g(h)|, (B, d)
};

// Parameter and buffer names are those of golden/model/state_dict_keys.csv without the leading
// "module.", in that order.
class ModelImpl : public torch::nn::Module {
 public:
  // Initialised as METHOD 3 says from torch's current generator, on the CPU in float32. Throws
  // UserError for a width or feature_dim out of range.
  explicit ModelImpl(const ModelOptions& options);

  // images: (B, 3, H, W), any H and W >= 8.
  Embedding forward(const torch::Tensor& images);
  // z alone, without the work for the normalised feature.
  torch::Tensor project(const torch::Tensor& images);
  // h, unnormalised, (B, F).
  torch::Tensor encode(const torch::Tensor& images);
  // From now on, in training mode, BatchNorm's statistics are those of all ranks' rows (METHOD 12).
  void synchronise_batch_norm(const std::shared_ptr<dist::Group>& group);
  // F: 8 * width for encoders of basic blocks, 32 * width for those of bottlenecks.
  int64_t feature_size() const { return feature_size_; }
  const ModelOptions& options() const { return options_; }

  // Makes a deep copy: parameters, buffers, their devices, types and memory formats, and the mode.
  // Leaves torch's generator as it was.
  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

 private:
  // z of h; counts the batch where statistics are taken.
  torch::Tensor project_features(const torch::Tensor& h);

  ModelOptions options_;
  int64_t feature_size_ = 0;
  std::shared_ptr<ResNetImpl> f_;
  std::shared_ptr<ProjectionHeadImpl> g_;
  // num_batches_tracked of every normalisation, the encoder's first.
  std::vector<torch::Tensor> batch_counts_;
  size_t num_encoder_counts_ = 0;
};
TORCH_MODULE(Model);

// Stores the convolutions' weights channels-last, so that a GPU reads them without a copy a step
// when its images are channels-last too. Values, names and shapes stay; do this before making an
// optimizer.
void use_channels_last(torch::nn::Module& module);

}  // namespace ipirm::model

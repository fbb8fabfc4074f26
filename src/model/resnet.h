// The encoder f of METHOD 3: a ResNet for small images, made of one kind of residual block.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <vector>

#include "ipirm/model/options.h"
#include "model/batch_norm.h"

namespace ipirm::model {

// A convolution without bias; padding keeps the image's size up to the stride.
struct ConvShape {
  int64_t channels;  // that come out
  int64_t kernel;    // side, odd
  int64_t stride;
};

const Architecture& architecture_of(Arch arch);

// Computes y = relu(bn(conv(...relu(bn(conv(x))))) + shortcut(x)). Its children are conv1, bn1,
// conv2, ... and, where x has not the result's shape, downsample.0 (1x1 convolution) and
// downsample.1 (batch normalisation).
class ResidualBlockImpl : public torch::nn::Module {
 public:
  ResidualBlockImpl(int64_t in_channels, const std::vector<ConvShape>& shapes);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<BatchNorm> norms_;
  torch::nn::Sequential downsample_{nullptr};
};
TORCH_MODULE(ResidualBlock);

// Its children are 0 (convolution), 1 (batch normalisation) and 3..6 (stages), which are the
// numbers that the reference's Sequential gives them.
class ResNetImpl : public torch::nn::Module {
 public:
  ResNetImpl(const Architecture& architecture, int64_t width);
  // images (B, 3, H, W) -> h (B, feature_size), float32 where the computation is in a 16-bit type.
  torch::Tensor forward(const torch::Tensor& images);
  int64_t feature_size() const { return feature_size_; }

 private:
  torch::nn::Conv2d convolution_;
  BatchNorm norm_;
  std::vector<torch::nn::Sequential> stages_;
  int64_t feature_size_;
};

}  // namespace ipirm::model

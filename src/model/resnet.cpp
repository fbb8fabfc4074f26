// The encoder f of METHOD 3: residual blocks, their initialisation, and the network made of them.
#include "model/resnet.h"

#include <torch/nn/init.h>

#include <iterator>

namespace ipirm::model {
namespace {

torch::nn::Conv2d make_convolution(int64_t in_channels, const ConvShape& shape) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in_channels, shape.channels, shape.kernel)
                               .stride(shape.stride)
                               .padding(shape.kernel / 2)
                               .bias(false));
}

// With torchvision's initialisation for ResNet; make_convolution alone has PyTorch's default.
torch::nn::Conv2d make_kaiming_convolution(int64_t in_channels, const ConvShape& shape) {
  torch::nn::Conv2d convolution = make_convolution(in_channels, shape);
  torch::nn::init::kaiming_normal_(convolution->weight, 0, torch::kFanOut, torch::kReLU);
  return convolution;
}

std::vector<ConvShape> block_shapes(bool bottleneck, int64_t channels, int64_t stride) {
  if (bottleneck) return {{channels, 1, 1}, {channels, 3, stride}, {4 * channels, 1, 1}};
  return {{channels, 3, stride}, {channels, 3, 1}};
}

}  // namespace

const Architecture& architecture_of(Arch arch) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.kind == arch) return architecture;
  }
  TORCH_INTERNAL_ASSERT(false, "an architecture without a row in the table");
}

ResidualBlockImpl::ResidualBlockImpl(int64_t in_channels, const std::vector<ConvShape>& shapes) {
  int64_t channels = in_channels;
  int64_t stride = 1;
  for (const ConvShape& shape : shapes) {
    const std::string number = std::to_string(convolutions_.size() + 1);
    convolutions_.push_back(
        register_module("conv" + number, make_kaiming_convolution(channels, shape)));
    norms_.push_back(register_module("bn" + number, BatchNorm(shape.channels)));
    channels = shape.channels;
    stride *= shape.stride;
  }
  if (stride != 1 || channels != in_channels) {
    downsample_ = register_module(
        "downsample",
        torch::nn::Sequential(make_kaiming_convolution(in_channels, {channels, 1, stride}),
                              BatchNorm(channels)));
  }
}

torch::Tensor ResidualBlockImpl::forward(const torch::Tensor& x) {
  const size_t last = convolutions_.size() - 1;
  torch::Tensor y = x;
  // In place where autograd lets it: batch normalisation keeps its input, ReLU its result, the sum
  // nothing.
  for (size_t i = 0; i < last; ++i) y = norms_[i](convolutions_[i](y)).relu_();
  y = norms_[last](convolutions_[last](y));
  y += downsample_.is_empty() ? x : downsample_->forward(x);
  return y.relu_();
}

ResNetImpl::ResNetImpl(const Architecture& architecture, int64_t width)
    : convolution_(register_module("0", make_convolution(3, {width, 3, 1}))),
      norm_(register_module("1", BatchNorm(width))),
      feature_size_(width) {
  for (size_t s = 0; s < std::size(architecture.blocks); ++s) {
    torch::nn::Sequential stage;
    for (int b = 0; b < architecture.blocks[s]; ++b) {
      const int64_t stride = s > 0 && b == 0 ? 2 : 1;
      const auto shapes = block_shapes(architecture.bottleneck, width << s, stride);
      stage->push_back(ResidualBlock(feature_size_, shapes));
      feature_size_ = shapes.back().channels;
    }
    stages_.push_back(register_module(std::to_string(s + 3), stage));
  }
}

torch::Tensor ResNetImpl::forward(const torch::Tensor& images) {
  torch::Tensor x = norm_(convolution_(images)).relu_();
  for (torch::nn::Sequential& stage : stages_) x = stage->forward(x);
  // The mean in float32: h has to carry more digits than a 16-bit type, and a mean costs no
  // flattening copy.
  return x.mean({2, 3}, /*keepdim=*/false,
                at::isReducedFloatingType(x.scalar_type()) ? torch::kFloat32 : x.scalar_type());
}

}  // namespace ipirm::model

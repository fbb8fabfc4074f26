// The projection head g of METHOD 3.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include "model/batch_norm.h"

namespace ipirm::model {

// Linear without bias, batch normalisation, ReLU, Linear: children 0, 1 and 3.
class ProjectionHeadImpl : public torch::nn::Module {
 public:
  ProjectionHeadImpl(int64_t feature_size, int64_t feature_dim);
  // h (B, feature_size) -> (B, feature_dim), unnormalised.
  torch::Tensor forward(const torch::Tensor& h);

 private:
  static constexpr int64_t kHidden = 512;
  torch::nn::Linear first_;
  BatchNorm norm_;
  torch::nn::Linear second_;
};

}  // namespace ipirm::model

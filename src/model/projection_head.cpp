// The projection head g of METHOD 3, with PyTorch's default initialisation.
#include "model/projection_head.h"

namespace ipirm::model {

ProjectionHeadImpl::ProjectionHeadImpl(int64_t feature_size, int64_t feature_dim)
    : first_(register_module(
          "0", torch::nn::Linear(torch::nn::LinearOptions(feature_size, kHidden).bias(false)))),
      norm_(register_module("1", BatchNorm(kHidden))),
      second_(register_module("3", torch::nn::Linear(kHidden, feature_dim))) {}

torch::Tensor ProjectionHeadImpl::forward(const torch::Tensor& h) {
  return second_(norm_(first_(h)).relu_());
}

}  // namespace ipirm::model

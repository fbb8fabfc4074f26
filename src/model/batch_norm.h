// Batch normalisation that leaves the count of its batches to the network.
#pragma once

#include <torch/nn/functional/batchnorm.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

namespace ipirm::model {

// torch's own, for (B, C) and (B, C, H, W), but that num_batches_tracked stays as it is. Of that
// count only PyTorch's file format knows; moved on by each of a network's normalisations, it costs
// a GPU a launch for each. ModelImpl moves all of them on by one call.
class BatchNormImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using BatchNorm2dImpl::BatchNorm2dImpl;
  torch::Tensor forward(const torch::Tensor& x) {
    return torch::nn::functional::detail::batch_norm(x, running_mean, running_var, weight, bias,
                                                     is_training(), options.momentum().value(),
                                                     options.eps());
  }
};
TORCH_MODULE(BatchNorm);

}  // namespace ipirm::model

// Batch normalisation that leaves the count of its batches to the network.
#pragma once

#include <torch/nn/functional/batchnorm.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <memory>

#include "ipirm/dist/group.h"
#include "model/synced_batch_norm.h"

namespace ipirm::model {

// torch's own, for (B, C) and (B, C, H, W), but that num_batches_tracked stays as it is. Of that
// count only PyTorch's file format knows; moved on by each of a network's normalisations, it costs
// a GPU a launch for each. ModelImpl moves all of them on by one call.
class BatchNormImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using BatchNorm2dImpl::BatchNorm2dImpl;
  torch::Tensor forward(const torch::Tensor& x) {
    if (group_ && is_training()) {
      return synced_batch_norm(
          x, {weight, bias, running_mean, running_var, options.momentum().value(), options.eps()},
          *group_);
    }
    return torch::nn::functional::detail::batch_norm(x, running_mean, running_var, weight, bias,
                                                     is_training(), options.momentum().value(),
                                                     options.eps());
  }
  // From now on statistics are taken over the batches of all ranks.
  void synchronise(std::shared_ptr<dist::Group> group) { group_ = std::move(group); }

 private:
  std::shared_ptr<dist::Group> group_;
};
TORCH_MODULE(BatchNorm);

}  // namespace ipirm::model

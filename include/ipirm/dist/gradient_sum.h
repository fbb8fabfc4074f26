// The gradients of one step, summed over the ranks while its last backward pass still runs.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ipirm/dist/group.h"

namespace ipirm::dist {

// Collects in the parameters' own grad(), which are undefined before and after. Buckets of
// gradients, the last parameters first, go out in their order as soon as the last pass has computed
// them and all before them, so that every rank makes the same calls whatever its engine's order. In
// one process nothing is packed, and no hook is set.
class GradientSum {
 public:
  // 94 MB of a ResNet-50's weights are 4 buckets.
  static constexpr int64_t kBucketBytes = int64_t{25} << 20;

  // parameters: leaves that require gradients, of the same shapes in every rank.
  GradientSum(Group& group, std::vector<torch::Tensor> parameters,
              int64_t bucket_bytes = kBucketBytes);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // Back-propagates a scalar, whose graph is freed; its gradient is added to that of the calls
  // before. Does nothing for a loss without a graph. is_last: no call follows, so that what this
  // one completes is sent while it runs. Throws LostError.
  void add(const torch::Tensor& loss, bool is_last);
  // The sums over the ranks in the order of the parameters, zeros where no loss had a gradient.
  // Once, at the end. Throws LostError.
  std::vector<torch::Tensor> take();

 private:
  class Sending;
  torch::Tensor gradient_of(size_t number) const;

  const std::vector<torch::Tensor> parameters_;
  std::unique_ptr<Sending> sending_;  // null in one process
};

}  // namespace ipirm::dist

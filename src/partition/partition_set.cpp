// Keeps partitions and their assignments side by side.
#include "ipirm/partition/partition_set.h"

namespace ipirm::partition {

torch::Tensor environment_of(const torch::Tensor& logits) { return logits.argmax(1); }

std::vector<int64_t> environment_sizes(const torch::Tensor& logits) {
  const auto sizes =
      torch::bincount(environment_of(logits).to(torch::kCPU), {}, logits.size(1)).contiguous();
  const int64_t* first = sizes.const_data_ptr<int64_t>();
  return {first, first + sizes.numel()};
}

void PartitionSet::add(const torch::Tensor& logits) {
  logits_.push_back(logits.to(device_));
  const auto environment = environment_of(logits_.back()).to(torch::kCPU).unsqueeze(0);
  environments_ = environments_.defined() ? torch::cat({environments_, environment}) : environment;
  if (most_ == 0 || size() <= most_) return;
  logits_.erase(logits_.begin(), logits_.end() - most_);
  environments_ = environments_.slice(0, -most_).clone();
}

}  // namespace ipirm::partition

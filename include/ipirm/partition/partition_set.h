// The partitions that count in the minimization step, and each sample's environment in them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace ipirm::partition {

// The environment of each row of partition logits (N, K): its argmax, (N) int64.
torch::Tensor environment_of(const torch::Tensor& logits);

// The number of samples in each of the K environments of partition logits (N, K).
std::vector<int64_t> environment_sizes(const torch::Tensor& logits);

// Kept partitions of N samples, oldest first. With `retain` all so far, or the newest `most` of
// them (0: all); otherwise the newest alone.
class PartitionSet {
 public:
  PartitionSet(bool retain, torch::Device device, int64_t most = 0)
      : most_(retain ? most : 1), device_(device) {}

  // logits (N, K), on any device; kept on the set's device. Drops what is no longer kept.
  void add(const torch::Tensor& logits);
  bool empty() const { return logits_.empty(); }
  int64_t size() const { return static_cast<int64_t>(logits_.size()); }  // P
  const std::vector<torch::Tensor>& logits() const { return logits_; }
  const torch::Tensor& newest() const { return logits_.back(); }

  // Environments (P, B) of a batch of samples, index (B) int64; both on the CPU, so that nobody has
  // to wait for a device to learn who belongs where. The set must not be empty.
  torch::Tensor environments(const torch::Tensor& index) const {
    return environments_.index_select(1, index);
  }

 private:
  int64_t most_;  // 0: all
  torch::Device device_;
  std::vector<torch::Tensor> logits_;
  torch::Tensor environments_;  // (P, N) int64, CPU
};

}  // namespace ipirm::partition

// Packs gradients as they lie in memory, and unpacks their sums.
#include "dist/gradient_buckets.h"

namespace ipirm::dist {
namespace {

bool lies_channels_last(const torch::Tensor& tensor) {
  return tensor.dim() == 4 && !tensor.is_contiguous() &&
         tensor.is_contiguous(torch::MemoryFormat::ChannelsLast);
}

// A tensor's elements in the order in which they lie, as a view where that is possible.
torch::Tensor in_memory_order(const torch::Tensor& tensor) {
  if (lies_channels_last(tensor)) return tensor.permute({0, 2, 3, 1}).view({-1});
  return tensor.reshape({-1});
}

}  // namespace

std::vector<Bucket> make_buckets(const std::vector<torch::Tensor>& tensors,
                                 const std::vector<size_t>& numbers, int64_t bucket_bytes) {
  std::vector<Bucket> buckets;
  int64_t bytes = 0;
  for (const size_t number : numbers) {
    const auto& tensor = tensors[number];
    const bool fits = !buckets.empty() && bytes < bucket_bytes &&
                      tensors[buckets.back().members.back()].scalar_type() == tensor.scalar_type();
    if (!fits) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().members.push_back(number);
    bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return buckets;
}

void start_bucket(Group& group, Bucket& bucket, const std::vector<torch::Tensor>& gradients) {
  std::vector<torch::Tensor> parts;
  for (const size_t number : bucket.members) parts.push_back(in_memory_order(gradients[number]));
  bucket.flat = torch::cat(parts);
  bucket.pending = group.start_sum(bucket.flat);
}

void finish_bucket(Bucket& bucket, std::vector<torch::Tensor>& gradients) {
  bucket.pending->wait();
  int64_t first = 0;
  for (const size_t number : bucket.members) {
    auto& gradient = gradients[number];
    const auto sum = bucket.flat.slice(0, first, first + gradient.numel());
    first += gradient.numel();
    const auto s = gradient.sizes();
    gradient = lies_channels_last(gradient)
                   ? sum.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2})
                   : sum.view(s);
  }
}

}  // namespace ipirm::dist

// Sums gradients in buckets and hands rank 0's tensors to all.
#include "ipirm/dist/collect.h"

#include <algorithm>
#include <cstring>

#include "ipirm/core/error.h"

namespace ipirm::dist {
namespace {

constexpr int64_t kBucketBytes = int64_t{25} << 20;

// A tensor's elements in the order in which they lie, as a view.
torch::Tensor in_memory_order(const torch::Tensor& tensor) {
  if (tensor.dim() == 4 && !tensor.is_contiguous() &&
      tensor.is_contiguous(torch::MemoryFormat::ChannelsLast))
    return tensor.permute({0, 2, 3, 1}).view({-1});
  return tensor.is_contiguous() ? tensor.view({-1}) : tensor.reshape({-1});
}

struct Bucket {
  std::vector<size_t> members;
  torch::Tensor flat;
  std::unique_ptr<Pending> pending;
};

// Gradients of one type and device, in order, until a bucket is full.
std::vector<Bucket> buckets_of(const std::vector<torch::Tensor>& gradients) {
  std::vector<Bucket> buckets;
  int64_t bytes = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const bool fits =
        !buckets.empty() && bytes < kBucketBytes &&
        gradients[buckets.back().members.back()].scalar_type() == gradients[i].scalar_type();
    if (!fits) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().members.push_back(i);
    bytes += static_cast<int64_t>(gradients[i].nbytes());
  }
  return buckets;
}

torch::Tensor bytes_of(const std::string& text) {
  auto bytes = torch::empty({static_cast<int64_t>(text.size())}, torch::kUInt8);
  std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

// Rank 0's tensor of one dimension, whose length the others do not know.
torch::Tensor of_first(Group& group, const torch::Tensor& own) {
  const auto length = torch::full({1}, own.numel(), torch::kInt64);
  group.broadcast(length);
  auto tensor = group.is_first() ? own : torch::empty({length.item<int64_t>()}, own.options());
  if (tensor.numel() > 0) group.broadcast(tensor);
  return tensor;
}

}  // namespace

void sum_gradients(Group& group, std::vector<torch::Tensor>& gradients) {
  if (group.is_alone()) return;
  auto buckets = buckets_of(gradients);
  for (auto& bucket : buckets) {
    std::vector<torch::Tensor> parts;
    for (const size_t i : bucket.members) parts.push_back(in_memory_order(gradients[i]));
    bucket.flat = torch::cat(parts);
    bucket.pending = group.start_sum(bucket.flat);
  }
  for (auto& bucket : buckets) {
    bucket.pending->wait();
    int64_t first = 0;
    for (const size_t i : bucket.members) {
      auto& gradient = gradients[i];
      const auto sum = bucket.flat.slice(0, first, first + gradient.numel());
      first += gradient.numel();
      const bool last = gradient.dim() == 4 && !gradient.is_contiguous() &&
                        gradient.is_contiguous(torch::MemoryFormat::ChannelsLast);
      const auto s = gradient.sizes();
      gradient = last ? sum.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2}) : sum.view(s);
    }
  }
}

void broadcast(Group& group, const std::vector<torch::Tensor>& tensors) {
  if (group.is_alone()) return;
  const torch::NoGradGuard no_grad;
  for (const auto& tensor : tensors) {
    auto memory = tensor.contiguous();
    group.broadcast(memory);
    if (!memory.is_same(tensor)) tensor.copy_(memory);
  }
}

NamedTensors from_first(Group& group, const NamedTensors& tensors) {
  if (group.is_alone()) return tensors;
  // A line for each tensor's name, and numbers: type, dimensions, sizes.
  std::string names;
  std::vector<int64_t> numbers;
  for (const auto& [name, tensor] : tensors) {
    names += name + '\n';
    numbers.push_back(static_cast<int64_t>(tensor.scalar_type()));
    numbers.push_back(tensor.dim());
    numbers.insert(numbers.end(), tensor.sizes().begin(), tensor.sizes().end());
  }
  const auto text = of_first(group, bytes_of(names));
  const auto shapes = of_first(group, torch::tensor(numbers, torch::kInt64));
  if (group.is_first()) {
    for (const auto& [name, tensor] : tensors) {
      const auto memory = tensor.detach().cpu().contiguous();
      if (memory.numel() > 0) group.broadcast(memory);
    }
    return tensors;
  }
  NamedTensors found;
  std::string name;
  const auto* number = shapes.const_data_ptr<int64_t>();
  const auto* letters = text.const_data_ptr<uint8_t>();
  for (int64_t i = 0; i < text.numel(); ++i) {
    if (letters[i] != '\n') {
      name += static_cast<char>(letters[i]);
      continue;
    }
    const auto type = static_cast<torch::ScalarType>(number[0]);
    const std::vector<int64_t> sizes(number + 2, number + 2 + number[1]);
    number += 2 + number[1];
    auto memory = torch::empty(sizes, type);
    if (memory.numel() > 0) group.broadcast(memory);
    found.emplace_back(std::exchange(name, {}), memory);
  }
  return found;
}

}  // namespace ipirm::dist

// Sums gradients in buckets and hands rank 0's tensors to all.
#include "ipirm/dist/collect.h"

#include <cstring>
#include <numeric>
#include <utility>

#include "dist/gradient_buckets.h"
#include "ipirm/dist/gradient_sum.h"

namespace ipirm::dist {
namespace {

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
  std::vector<size_t> numbers(gradients.size());
  std::iota(numbers.begin(), numbers.end(), size_t{0});
  auto buckets = make_buckets(gradients, numbers, GradientSum::kBucketBytes);
  for (auto& bucket : buckets) start_bucket(group, bucket, gradients);
  for (auto& bucket : buckets) finish_bucket(bucket, gradients);
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

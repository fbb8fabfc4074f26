// Concatenates a device's tensors of one type, copies them over, and cuts them up again.
#include "ipirm/checkpoint/host_copy.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

namespace ipirm::checkpoint {
namespace {

// A tensor whose elements fill its memory without gaps, in whatever order.
torch::Tensor dense(const torch::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
}

// Its elements in the order of the memory.
torch::Tensor elements(const torch::Tensor& tensor) {
  return tensor.as_strided({tensor.numel()}, {1}, tensor.storage_offset());
}

// Puts copies on the CPU in the place of `tensors`, which are of one type and device.
void bring_over(const std::vector<torch::Tensor*>& tensors) {
  std::vector<torch::Tensor> flat;
  for (auto* tensor : tensors) {
    *tensor = dense(*tensor);
    flat.push_back(elements(*tensor));
  }
  const auto all = at::cat(flat).to(torch::kCPU);
  int64_t first = 0;
  for (auto* tensor : tensors) {
    const auto numel = tensor->numel();
    *tensor = all.as_strided(tensor->sizes(), tensor->strides(), first);
    first += numel;
  }
}

}  // namespace

StateDict host_copy(const StateDict& tensors) {
  const at::NoGradGuard no_grad;
  StateDict copies = tensors;
  std::map<torch::ScalarType, std::vector<torch::Tensor*>> elsewhere;
  for (auto& [name, tensor] : copies) {
    tensor = tensor.detach();
    if (tensor.is_cpu())
      tensor = tensor.to(torch::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
    else
      elsewhere[tensor.scalar_type()].push_back(&tensor);
  }
  for (const auto& [type, of_type] : elsewhere) bring_over(of_type);
  return copies;
}

}  // namespace ipirm::checkpoint

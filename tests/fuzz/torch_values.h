// What must hold of every tensor that a reader returns, whatever the file said.
#pragma once

#include <ATen/ATen.h>

#include "fuzz/target.h"

namespace ipirm::fuzz {

// Lies within its storage, and its elements can be read.
inline void check_tensor(const at::Tensor& tensor) {
  require(tensor.defined() && tensor.device().is_cpu(), "a tensor that is none");
  int64_t last = tensor.storage_offset();
  for (int64_t d = 0; d < tensor.dim(); ++d) {
    require(tensor.size(d) >= 0 && tensor.stride(d) >= 0, "a negative size or stride");
    if (tensor.size(d) > 0) last += (tensor.size(d) - 1) * tensor.stride(d);
  }
  if (tensor.numel() == 0) return;
  const auto bytes = static_cast<int64_t>(tensor.storage().nbytes());
  require((last + 1) * static_cast<int64_t>(tensor.element_size()) <= bytes,
          "a tensor leaves its storage");
  constexpr int64_t kRead = 1 << 16;  // expanded tensors are long to read
  if (tensor.numel() <= kRead) {
    const at::Tensor copy = tensor.contiguous();
    const auto* byte = static_cast<const uint8_t*>(copy.const_data_ptr());
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < copy.nbytes(); ++i) sum = static_cast<uint8_t>(sum + byte[i]);
  }
}

}  // namespace ipirm::fuzz

// Hands tensors of the host to a device without making the host wait.
#pragma once

#include <ATen/core/Tensor.h>

namespace ipirm::core {

// `tensor` on `device`, of the same type and memory format; itself where it lies there already.
// From the CPU it goes through page-locked memory, in which the copy runs beside what the host does
// next; where it is not page-locked, it is copied into such memory first.
inline at::Tensor to_device(const at::Tensor& tensor, at::Device device) {
  if (!tensor.is_cpu() || device.is_cpu()) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace ipirm::core

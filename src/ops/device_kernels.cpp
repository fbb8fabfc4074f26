// The table of the devices' own kernels, and the word about CUDA without them.
#include "ops/device_kernels.h"

#include <array>

namespace ipirm::ops {

DeviceKernels& device_kernels(c10::DeviceType device) {
  static std::array<DeviceKernels, static_cast<size_t>(c10::COMPILE_TIME_MAX_DEVICE_TYPES)> rows;
  return rows.at(static_cast<size_t>(device));
}

void warn_of_missing_kernels(c10::DeviceType device) {
  if (device != c10::DeviceType::CUDA) return;
  TORCH_WARN_ONCE(
      "ipirm: CUDA computes its operators with ATen, exact but slower: libipirm_cuda.so is not "
      "loaded, or the card is older than compute capability 8.0 (src/ops/README.md).");
}

}  // namespace ipirm::ops

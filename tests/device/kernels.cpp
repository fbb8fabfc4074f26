// The fake device's kernels: CUDA's, which the host header runs on the CPU.
#include <c10/util/Exception.h>

#include "cuda_host/cuda_host.h"
#include "fake_device/counts.h"
#include "fake_device/fake_device.h"
#include "fake_device/memory.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/runtime.h"

namespace ipirm::ops::cuda {

void launch_on(const at::Tensor&, const char* what,
               const std::function<int(void* stream)>& launch) {
  const auto before = cuda_host::launches().load();
  const fake_device::UnlockAll unlock;
  TORCH_CHECK(launch(nullptr) == 0, what);
  const auto launched = cuda_host::launches() - before;
  for (int64_t i = 0; i < launched; ++i) fake_device::count_launch(what);
}

namespace {

[[maybe_unused]] const bool kFilled = [] {
  device_kernels(fake_device::kDevice.type()) = all_kernels();
  return true;
}();

}  // namespace
}  // namespace ipirm::ops::cuda

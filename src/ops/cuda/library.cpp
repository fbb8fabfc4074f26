// libipirm_cuda.so: puts the kernels into CUDA's row of the table when it is loaded, and launches
// them on PyTorch's streams.
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "ops/cuda/kernels.h"
#include "ops/cuda/runtime.h"

namespace ipirm::ops::cuda {

void launch_on(const at::Tensor& tensor, const char* what,
               const std::function<int(void* stream)>& launch) {
  const c10::cuda::CUDAGuard guard(tensor.device());
  const auto error = static_cast<cudaError_t>(launch(c10::cuda::getCurrentCUDAStream().stream()));
  TORCH_CHECK(error == cudaSuccess, what, ": ", cudaGetErrorString(error));
}

namespace {

[[maybe_unused]] const bool kFilled = [] {
  auto& row = device_kernels(at::kCUDA);
  row = all_kernels();
  // They were compiled for 8.0 and above (cuda.cmake).
  row.run_on = [](c10::DeviceIndex device) {
    constexpr int kOldest = 8;
    int major = 0;
    return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
               cudaSuccess &&
           major >= kOldest;
  };
  return true;
}();

}  // namespace
}  // namespace ipirm::ops::cuda

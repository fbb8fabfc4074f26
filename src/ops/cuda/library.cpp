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
  device_kernels(at::kCUDA) = all_kernels();
  return true;
}();

}  // namespace
}  // namespace ipirm::ops::cuda

// What launching kernels needs of the device's run-time library. libipirm_cuda.so has CUDA's; where
// kernels run on the CPU in tests, the test brings its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace ipirm::ops::cuda {

// Calls `launch` with the stream that PyTorch uses at the moment on the tensor's device, and that
// device current. Throws c10::Error, naming `what`, if it returns anything but 0.
void launch_on(const at::Tensor& tensor, const char* what,
               const std::function<int(void* stream)>& launch);

}  // namespace ipirm::ops::cuda

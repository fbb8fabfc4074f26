// Chooses the device a program computes on.
#pragma once

#include <torch/types.h>

#include <string>

#include "ipirm/core/device_kind.h"

namespace ipirm::app {

// Loads LibTorch's CUDA half at run time, so that programs start quickly and run on machines
// without it. Throws UserError when CUDA is asked for and cannot be used, with the reason. Call it
// before any other use of a device.
torch::Device choose_device(core::DeviceKind kind);

// "CUDA (NVIDIA H100)" or "CPU (2 threads, AVX2)": for the first lines of a run.
std::string describe(torch::Device device);

// Warns once when bf16 was asked for on a CPU that has no bfloat16 arithmetic, where it is far
// slower than fp32.
void warn_if_bf16_is_slow(torch::Device device, bool bf16);

}  // namespace ipirm::app

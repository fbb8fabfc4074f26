// Chooses the device a program computes on, and how it computes there.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "ipirm/core/device_kind.h"
#include "ipirm/model/options.h"

namespace ipirm::app {

// Loads LibTorch's CUDA half at run time, so that programs start quickly and run on machines
// without it. Throws UserError when CUDA is asked for and cannot be used, or has no GPU of that
// number, with the reason. Call it before any other use of a device, and before torch::manual_seed,
// after which LibTorch no longer looks for its CUDA half.
torch::Device choose_device(const core::DeviceChoice& choice);

// How a process computes.
struct Arithmetic {
  model::Precision precision = model::Precision::kFp32;
  // A GPU takes algorithms that give the same bits again, and refuses operators that have none.
  bool deterministic = false;
  // Batches come in ever new sizes: a GPU does not measure which convolution is fastest for each.
  bool sizes_vary = false;
};

// Sets it for the whole process; before the first operator on the device. Warns where the precision
// is far slower than fp32 there, or no other than it.
void set_arithmetic(torch::Device device, const Arithmetic& arithmetic);

// "cuda:0, NVIDIA H100 80GB HBM3, 79.2 GiB, compute capability 9.0" or "CPU, 2 threads, AVX2": for
// the first lines of a run.
std::string describe(torch::Device device);

// What the driver says about a GPU.
struct GpuInfo {
  std::string name;
  uint64_t bytes = 0;        // of memory
  int major = 0, minor = 0;  // compute capability
};
std::string to_text(const GpuInfo& gpu);

}  // namespace ipirm::app

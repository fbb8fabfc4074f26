// Loads CUDA where it is there, and says what was chosen.
#include "ipirm/app/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <dlfcn.h>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::app {
namespace {

// Without the driver the far larger libraries need not be read at all.
bool has_driver() { return dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != nullptr; }

// The reason why CUDA cannot be used, or "" if it can.
std::string load_cuda() {
  if (!has_driver()) return "no NVIDIA driver (libcuda.so.1) is installed";
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return core::cat("this LibTorch has no CUDA half (", dlerror(), ")");
  }
  return at::globalContext().hasCUDA() ? "" : "the driver reports no GPU";
}

}  // namespace

torch::Device choose_device(core::DeviceKind kind) {
  if (kind == core::DeviceKind::kCpu) return torch::kCPU;
  const auto reason = load_cuda();
  if (reason.empty()) return torch::Device(torch::kCUDA, 0);
  if (kind == core::DeviceKind::kCuda) {
    throw core::UserError(core::cat("--device cuda: ", reason,
                                    "; use --device cpu, or auto to take CUDA where there is one"));
  }
  if (has_driver())
    core::log_warning(
        core::cat("computing on the CPU although a GPU driver is installed: ", reason));
  return torch::kCPU;
}

std::string describe(torch::Device device) {
  if (device.is_cuda()) return core::cat("CUDA device ", static_cast<int>(device.index()));
  return core::cat("CPU, ", at::get_num_threads(), " threads, ", at::get_cpu_capability());
}

void warn_if_bf16_is_slow(torch::Device device, bool bf16) {
  if (!bf16 || device.is_cuda()) return;
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* name : {"avx512_bf16", "amx_bf16"}) {
    const auto found = capabilities.find(name);
    if (found != capabilities.end() && found->second.toBool()) return;
  }
  core::log_warning(
      "--precision bf16: this CPU has no bfloat16 arithmetic (AVX-512 BF16 or AMX), so that bf16 "
      "is far "
      "slower than fp32 here; use --precision fp32");
}

}  // namespace ipirm::app

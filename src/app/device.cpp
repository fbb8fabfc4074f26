// Loads CUDA where it is there, says what was chosen, and sets PyTorch's switches.
#include "ipirm/app/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <cstdlib>
#include <optional>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"

namespace ipirm::app {
namespace {

// Without the driver the far larger libraries need not be read at all.
void* driver() {
  static void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  return library;
}

// The operators' CUDA kernels, which lie beside libipirm_ops.so where they were built. Without them
// the operators work too, and say so themselves.
void load_kernels() {
  if (dlopen("libipirm_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  const std::string reason = dlerror();
  const bool is_absent =
      reason.starts_with("libipirm_cuda.so:") && reason.find("No such file") != std::string::npos;
  if (!is_absent) {
    core::log_warning(core::cat("the CUDA kernels don't load: ", reason));
  }
}

// What the driver says when LibTorch finds no GPU.
std::string why_no_gpu() {
  constexpr int kNeeded = 13000;  // CUDA 13.0, the wheel's
  const auto version_of = reinterpret_cast<int (*)(int*)>(dlsym(driver(), "cuDriverGetVersion"));
  int version = 0;
  if (version_of == nullptr || version_of(&version) != 0 || version >= kNeeded)
    return "the driver reports no GPU";
  return core::cat("the driver is made for CUDA ", version / 1000, ".", version % 1000 / 10,
                   ", and this LibTorch needs 13.0; update the driver");
}

// The reason why CUDA cannot be used, or "" if it can.
std::string load_cuda() {
  if (driver() == nullptr) return "no NVIDIA driver (libcuda.so.1) is installed";
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return core::cat("this LibTorch has no CUDA half (", dlerror(), ")");
  }
  if (!at::globalContext().hasCUDA()) return why_no_gpu();
  load_kernels();
  return "";
}

// Asks the driver, whose functions all return 0 where they succeed: LibTorch's CPU half has no
// call for it.
std::optional<GpuInfo> gpu_info(int index) {
  if (driver() == nullptr) return std::nullopt;
  const auto call = [](const char* function, auto... arguments) {
    const auto pointer =
        reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(driver(), function));
    return pointer != nullptr && pointer(arguments...) == 0;
  };
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
  constexpr int kNameSize = 256;
  char name[kNameSize] = {};
  size_t bytes = 0;
  GpuInfo gpu;
  int device = 0;
  if (!call("cuInit", 0u) || !call("cuDeviceGet", &device, index) ||
      !call("cuDeviceGetName", &name[0], kNameSize, device) ||
      !call("cuDeviceTotalMem_v2", &bytes, device) ||
      !call("cuDeviceGetAttribute", &gpu.major, kMajor, device) ||
      !call("cuDeviceGetAttribute", &gpu.minor, kMinor, device))
    return std::nullopt;
  gpu.name = name;
  gpu.bytes = bytes;
  return gpu;
}

bool cpu_has_bfloat16() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* name : {"avx512_bf16", "amx_bf16"}) {
    const auto found = capabilities.find(name);
    if (found != capabilities.end() && found->second.toBool()) return true;
  }
  return false;
}

// Cards before the A100 have no arithmetic of either kind.
void warn_on_old_gpu(model::Precision precision, int device) {
  constexpr int kOldest = 8;
  const auto gpu = gpu_info(device);
  if (precision == model::Precision::kFp32 || !gpu || gpu->major >= kOldest) return;
  core::log_warning(core::cat("--precision ", core::name_of(precision), ": this card (",
                              to_text(*gpu),
                              ") has no such arithmetic, so that it is no faster than fp32; use "
                              "--precision fp32"));
}

void warn_on_cpu(model::Precision precision) {
  if (precision == model::Precision::kTf32)
    core::log_warning("--precision tf32 is a GPU's: the CPU computes in fp32");
  if (precision == model::Precision::kBf16 && !cpu_has_bfloat16()) {
    core::log_warning(
        "--precision bf16: this CPU has no bfloat16 arithmetic (AVX-512 BF16 or AMX), so that bf16 "
        "is far slower than fp32 here; use --precision fp32");
  }
}

}  // namespace

torch::Device choose_device(const core::DeviceChoice& choice) {
  if (choice.kind == core::DeviceKind::kCpu) return torch::kCPU;
  const auto reason = load_cuda();
  if (choice.kind == core::DeviceKind::kCuda && !reason.empty()) {
    throw core::UserError(core::cat("--device ", core::device_text(choice), ": ", reason,
                                    "; use --device cpu, or auto to take CUDA where there is one"));
  }
  if (reason.empty()) {
    const int count = at::detail::getCUDAHooks().deviceCount();
    if (choice.index < count)
      return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(choice.index));
    throw core::UserError(core::cat("--device ", core::device_text(choice), ": there ",
                                    count == 1 ? "is 1 GPU" : core::cat("are ", count, " GPUs"),
                                    ", numbered from 0"));
  }
  if (driver() != nullptr)
    core::log_warning(
        core::cat("computing on the CPU although a GPU driver is installed: ", reason));
  return torch::kCPU;
}

void set_arithmetic(torch::Device device, const Arithmetic& arithmetic) {
  auto& context = at::globalContext();
  // Losses and the search are computed in float32 in any case: their products never in TF32.
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(arithmetic.precision == model::Precision::kTf32);
  context.setBenchmarkCuDNN(!arithmetic.deterministic && !arithmetic.sizes_vary);
  if (device.is_cpu()) return warn_on_cpu(arithmetic.precision);
  warn_on_old_gpu(arithmetic.precision, device.index());
  if (!arithmetic.deterministic) return;
  // cuBLAS reads it when it is first used; without it its sums may differ between runs.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  context.setDeterministicCuDNN(true);
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Memory that is written anyway need not be filled first.
  context.setDeterministicFillUninitializedMemory(false);
}

std::string describe(torch::Device device) {
  if (device.is_cpu())
    return core::cat("CPU, ", at::get_num_threads(), " threads, ", at::get_cpu_capability());
  const auto gpu = gpu_info(device.index());
  return core::cat(device.str(), gpu ? ", " + to_text(*gpu) : "");
}

std::string to_text(const GpuInfo& gpu) {
  constexpr double kGibibyte = 1 << 30;
  return core::cat(gpu.name, ", ", core::with_digits(static_cast<double>(gpu.bytes) / kGibibyte, 1),
                   " GiB, compute capability ", gpu.major, ".", gpu.minor);
}

}  // namespace ipirm::app

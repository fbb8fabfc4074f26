// Makes c10d's NCCL backend; the whole of libipirm_nccl.so.
#define USE_C10D_NCCL  // says that LibTorch's CUDA half has it, as it does
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "dist/nccl/make_nccl.h"

namespace ipirm::dist {
namespace {

c10::intrusive_ptr<c10d::Backend> make(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                       int size, c10::Device device,
                                       std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  backend->setBoundDeviceId(device);
  return backend;
}

}  // namespace
}  // namespace ipirm::dist

extern "C" c10::intrusive_ptr<c10d::Backend> ipirm_make_nccl(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, c10::Device device,
    std::chrono::milliseconds timeout) {
  return ipirm::dist::make(store, rank, size, device, timeout);
}

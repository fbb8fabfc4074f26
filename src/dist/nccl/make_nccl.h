// The one function of libipirm_nccl.so, which alone links LibTorch's CUDA half.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace ipirm::dist {

// Makes NCCL's backend for the processes that meet at the store, each with a GPU of its own.
using MakeNccl = c10::intrusive_ptr<c10d::Backend>(const c10::intrusive_ptr<c10d::Store>& store,
                                                   int rank, int size, c10::Device device,
                                                   std::chrono::milliseconds timeout);
// Its name in the library.
inline constexpr const char* kMakeNccl = "ipirm_make_nccl";

}  // namespace ipirm::dist

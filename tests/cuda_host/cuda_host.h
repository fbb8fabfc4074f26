// Runs CUDA sources on the CPU: the names that CUDA C++ has without an include, for g++. Sources
// under src/ops/cuda see it through ops/cuda/device_code.cuh.
//
// Blocks run on OS threads, a block's threads as fibers, in an order that CUDA_HOST_SEED or
// set_seed() draws. It finds wrong results, missing and divergent barriers, missing waits for
// asynchronous copies, overrun shared memory, and, with -fsanitize=address, every other access out
// of bounds. It does not find races between blocks beyond their order, nor what only hardware
// knows: speed, fast functions' last bits, caches, alignment of plain loads (-fsanitize=alignment).
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>

#include "cuda_host/block.h"
#include "cuda_host/tensor_core.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define threadIdx (cuda_host::Block::current().thread())
#define blockIdx (cuda_host::Block::current().block())
#define blockDim (cuda_host::Block::current().dim())
#define gridDim (cuda_host::Block::current().grid())

using dim3 = cuda_host::Dim3;
using cudaStream_t = void*;
using std::max;
using std::min;

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline void __syncthreads(cuda_host::Place place = cuda_host::Place::here()) {
  cuda_host::Block::current().barrier(place);
}
inline void __syncwarp(unsigned mask = ~0u, cuda_host::Place place = cuda_host::Place::here()) {
  cuda_host::Block::current().show(mask, 0, place, "__syncwarp");
}

namespace cuda_host {
// What the lane `from` shows; it must take part.
template <class T>
T shuffle(unsigned mask, T value, int from, Place place) {
  const auto& slots = Block::current().show(mask, value, place, "shuffle");
  if (from < 0 || from >= kWarp || (mask >> from & 1) == 0) {
    throw Fault(place.text() + ": shuffle from lane " + std::to_string(from) +
                ", which is not in the mask");
  }
  return slots.template get<T>(from);
}
}  // namespace cuda_host

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits,
                  cuda_host::Place place = cuda_host::Place::here()) {
  return cuda_host::shuffle(mask, value, cuda_host::Block::current().lane() ^ bits, place);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, cuda_host::Place place = cuda_host::Place::here()) {
  return cuda_host::shuffle(mask, value, lane % cuda_host::kWarp, place);
}
// Lanes beyond the end keep their own value.
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes,
                   cuda_host::Place place = cuda_host::Place::here()) {
  const int own = cuda_host::Block::current().lane(), from = own + static_cast<int>(lanes);
  return cuda_host::shuffle(mask, value, from < cuda_host::kWarp ? from : own, place);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              cuda_host::Place place = cuda_host::Place::here()) {
  const auto& slots = cuda_host::Block::current().show(mask, predicate, place, "ballot");
  unsigned votes = 0;
  for (int lane = 0; lane < cuda_host::kWarp; ++lane) {
    if ((mask >> lane & 1) != 0 && slots.get<int>(lane) != 0) votes |= 1u << lane;
  }
  return votes;
}
inline float __fmul_rn(float x, float y) { return x * y; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T>
T __ldg(const T* from) {
  return *from;
}

namespace cuda_host {

// The order of blocks and threads (block.h says what even and odd ones do); CUDA_HOST_SEED at
// first, or 0.
inline std::atomic<unsigned>& seed() {
  static std::atomic<unsigned> value = [] {
    const char* text = std::getenv("CUDA_HOST_SEED");
    return text == nullptr ? 0u : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
  }();
  return value;
}
inline void set_seed(unsigned value) { seed() = value; }

// How many kernels have been launched by this process.
inline std::atomic<int64_t>& launches() {
  static std::atomic<int64_t> count{0};
  return count;
}

// What sm_80 grants a block, and any GPU a grid.
constexpr size_t kMaxShared = 163 << 10, kMaxThreads = 1024;
constexpr unsigned kMaxGridYz = 65535;

// The block's dynamic shared memory, aligned to 128 bytes.
template <class T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(Block::current().shared());
}

// Runs all blocks, as <<<grid, dim, shared, stream>>> does, and waits. 0; throws Fault.
template <class... P, class... A>
int launch(void (*kernel)(P...), dim3 grid, dim3 dim, size_t shared, cudaStream_t, A... a) {
  if (dim.count() < 1 || dim.count() > kMaxThreads || shared > kMaxShared || grid.count() < 1 ||
      grid.y > kMaxGridYz || grid.z > kMaxGridYz) {
    throw Fault("launch: no GPU takes this grid, block or shared memory");
  }
  ++launches();
  const unsigned first_seed = seed();
  std::vector<size_t> order(grid.count());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(first_seed));
  const std::function<void()> body = [&] { kernel(static_cast<P>(a)...); };
  std::atomic<size_t> taken{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  const auto work = [&] {
    Block block(grid, dim, shared);
    for (size_t i; !failed && (i = taken++) < order.size();) {
      try {
        // Even for all blocks, or odd.
        block.run(order[i], first_seed + 2 * 7919u * static_cast<unsigned>(order[i]), body);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> helpers;
  const size_t threads = std::min<size_t>(order.size(), std::thread::hardware_concurrency());
  for (size_t t = 1; t < threads; ++t) helpers.emplace_back(work);
  work();
  for (auto& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
  return 0;
}

}  // namespace cuda_host

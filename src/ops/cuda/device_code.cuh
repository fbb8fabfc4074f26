// What every source of this folder is written in: CUDA C++ under nvcc, and the same names on the
// CPU (tests/cuda_host) for other compilers, so that kernels run in tests without a GPU.
#pragma once

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

namespace ipirm::ops::cuda {

// The block's dynamic shared memory, aligned to 128 bytes.
template <class T>
__device__ inline T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char ipirm_dynamic_shared[];
  return reinterpret_cast<T*>(ipirm_dynamic_shared);
}

// kernel<<<grid, dim, shared, stream>>>(a...). 0, or a cudaError_t; does not wait.
template <class... P, class... A>
int launch(void (*kernel)(P...), dim3 grid, dim3 dim, size_t shared, cudaStream_t stream, A... a) {
  constexpr size_t kSharedWithoutAsking = 48 << 10;
  if (shared > kSharedWithoutAsking) {
    const auto error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            static_cast<int>(shared));
    if (error != cudaSuccess) return error;
  }
  kernel<<<grid, dim, shared, stream>>>(static_cast<P>(a)...);
  return cudaGetLastError();
}

// 2^x to 2 units in the last place; denormal results are 0.
__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Two bfloat16 in one register, to nearest even: the first in the lower half.
__device__ inline unsigned pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&pair);
}
__device__ inline float bf16_low(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ inline float bf16_high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// The same in float16.
__device__ inline unsigned pack_f16(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&pair);
}
__device__ inline float f16_low(unsigned pair) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(pair & 0xffffu)));
}
__device__ inline float f16_high(unsigned pair) { return f16_low(pair >> 16); }

// d += a b, a (16, 16) by rows, b (16, 8) by columns in bfloat16, d in float32. Of lane 4g + t, a
// holds rows g and g + 8, b column g, d rows g and g + 8 in columns 2t and 2t + 1.
__device__ inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same of float16.
__device__ inline void mma_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8x8 matrices of 16-bit numbers from shared memory. Lane 8i + r names row r of matrix i; each
// lane receives two neighbours of row lane / 4 of every matrix.
__device__ inline void ldmatrix_x4(unsigned (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
}

// 16 bytes from global to shared memory while the thread goes on. Those from `bytes` on become 0
// and are not read.
__device__ inline void cp_async_16(void* to, const void* from, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(bytes)
               : "memory");
}
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most the newest `kGroups` groups of this thread's copies are under way.
template <int kGroups>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

}  // namespace ipirm::ops::cuda

#else

#include "cuda_host/cuda_host.h"

namespace ipirm::ops::cuda {

using cuda_host::bf16_high;
using cuda_host::bf16_low;
using cuda_host::cp_async_16;
using cuda_host::cp_async_commit;
using cuda_host::cp_async_wait;
using cuda_host::dynamic_shared;
using cuda_host::exp2_fast;
using cuda_host::f16_high;
using cuda_host::f16_low;
using cuda_host::launch;
using cuda_host::ldmatrix_x4;
using cuda_host::mma_bf16;
using cuda_host::mma_f16;
using cuda_host::pack_bf16;
using cuda_host::pack_f16;

}  // namespace ipirm::ops::cuda

#endif

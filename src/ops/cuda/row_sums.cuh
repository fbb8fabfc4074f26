// Sums over all rows in float64 and in one order: first those of a block's threads, then those of
// the blocks.
#pragma once

#include "ops/cuda/device_code.cuh"

namespace ipirm::ops::cuda {

inline constexpr int kRowThreads = 256;
// Shared memory of a kernel that calls block_sum.
inline constexpr size_t kBlockSumBytes = kRowThreads / 32 * sizeof(double);

// The larger of two numbers; not a number where either is not.
__device__ inline double larger(double x, double y) { return y > x || y != y ? y : x; }

// The sum over the block's kRowThreads threads, for each of them; all must call. shared:
// kBlockSumBytes.
__device__ inline double block_sum(double x, double* shared) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // whoever reads an earlier sum has done so
  if (thread % 32 == 0) shared[thread / 32] = x;
  __syncthreads();
  double sum = 0;
  for (int warp = 0; warp < kRowThreads / 32; ++warp) sum += shared[warp];
  return sum;
}

// The sum of what the blocks of a kernel left, for each thread; all must call.
__device__ inline double sum_of_blocks(const double* parts, int blocks, double* shared) {
  double own = 0;
  for (int b = static_cast<int>(threadIdx.x); b < blocks; b += kRowThreads) own += parts[b];
  return block_sum(own, shared);
}

}  // namespace ipirm::ops::cuda

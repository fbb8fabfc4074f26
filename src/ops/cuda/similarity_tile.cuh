// Inner products of 8 views with 128 others, in plain float32: the tile that the sweeps over pairs
// of environment_loss are made of.
//
// A batch is small (256 samples, 67 million multiplications for all pairs), so that tiles are low:
// 64 blocks for 512 views keep half of a large GPU busy where 64x64 tiles would keep 8 of its
// processors so. Tensor cores would not pay: the work on each pair and partition is as much.
#pragma once

#include <cstddef>

#include "ops/cuda/device_code.cuh"

namespace ipirm::ops::cuda {

constexpr int kThreads = 256, kWarpSize = 32;
constexpr int kRows = kThreads / kWarpSize;  // a warp a row, where sums are taken along rows
constexpr int kColumns = 128;
constexpr int kDepth = 32;           // features at a time
constexpr int kStride = kDepth + 4;  // of a view in shared memory, so that 8 lanes meet all banks
constexpr int kTileStride = kColumns + 4;
constexpr int kRowsOfThread = kRows * kColumns / kThreads;

// All views (M, dim): the rows of z1, then those of z2.
struct Views {
  const float *z1, *z2;
  int batch, dim;
  bool aligned;  // whether rows may be read 16 bytes at a time

  __device__ int count() const { return 2 * batch; }
  __device__ int sample(int view) const { return view < batch ? view : view - batch; }
  __device__ int positive(int view) const { return view < batch ? view + batch : view - batch; }
  __device__ const float* row(int view) const {
    return view < batch ? z1 + static_cast<size_t>(view) * dim
                        : z2 + static_cast<size_t>(view - batch) * dim;
  }
  // Features k to k + 3 of a view; 0 beyond the last feature, and for views that are none. Only
  // where rows are not aligned.
  __device__ float4 quad(int view, int k) const {
    if (view >= count() || k >= dim) return make_float4(0, 0, 0, 0);
    const float* const from = row(view) + k;
    return make_float4(from[0], k + 1 < dim ? from[1] : 0, k + 2 < dim ? from[2] : 0,
                       k + 3 < dim ? from[3] : 0);
  }
};

// What a block keeps in shared memory for its tiles.
struct TileMemory {
  // Two stages of kDepth features of the columns' views, then of the rows': one is read while the
  // next arrives.
  float views[2][(kColumns + kRows) * kStride];
  float tile[kRows * kTileStride];  // S, row by row
};

// Starts to copy features k0... of the tile's views.
__device__ inline void stage_views(const Views& views, int row0, int column0, int k0, float* to) {
  constexpr int kQuads = kDepth / 4;
  for (int i = static_cast<int>(threadIdx.x); i < (kColumns + kRows) * kQuads; i += kThreads) {
    const int number = i / kQuads, k = k0 + i % kQuads * 4;
    const int view = number < kColumns ? column0 + number : row0 + number - kColumns;
    float* const target = to + number * kStride + i % kQuads * 4;
    if (views.aligned) {
      const bool is_there = view < views.count() && k < views.dim;
      cp_async_16(target, is_there ? views.row(view) + k : views.z1, is_there ? 16 : 0);
    } else {
      *reinterpret_cast<float4*>(target) = views.quad(view, k);
    }
  }
  cp_async_commit();
}

__device__ inline float dot(const float4& a, const float4& b, float sum) {
  return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

// S of views row0... with views column0...: of the thread's column, thread % 128, and of its rows,
// kRowsOfThread * (thread / 128) on. All threads of the block call it, and meet at a barrier before
// they call it again.
__device__ inline void similarities(const Views& views, int row0, int column0, TileMemory& memory,
                                    float (&s)[kRowsOfThread]) {
  const int thread = static_cast<int>(threadIdx.x);
  const int column = thread % kColumns * kStride;
  const int rows = (kColumns + thread / kColumns * kRowsOfThread) * kStride;
  for (float& sum : s) sum = 0;
  stage_views(views, row0, column0, 0, memory.views[0]);
  for (int k0 = 0, stage = 0; k0 < views.dim; k0 += kDepth, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // this stage is there for all, and the other one has been read
    if (k0 + kDepth < views.dim) {
      stage_views(views, row0, column0, k0 + kDepth, memory.views[stage ^ 1]);
    }
    const float* const from = memory.views[stage];
#pragma unroll
    for (int k = 0; k < kDepth; k += 4) {
      const auto of_column = *reinterpret_cast<const float4*>(from + column + k);
#pragma unroll
      for (int r = 0; r < kRowsOfThread; ++r) {
        const auto of_row = *reinterpret_cast<const float4*>(from + rows + r * kStride + k);
        s[r] = dot(of_row, of_column, s[r]);
      }
    }
  }
}

// The same into memory.tile, for all threads to read.
__device__ inline void similarity_tile(const Views& views, int row0, int column0,
                                       TileMemory& memory) {
  float s[kRowsOfThread];
  similarities(views, row0, column0, memory, s);
  const int thread = static_cast<int>(threadIdx.x);
  const int own_column = thread % kColumns, own_rows = thread / kColumns * kRowsOfThread;
#pragma unroll
  for (int r = 0; r < kRowsOfThread; ++r) {
    memory.tile[(own_rows + r) * kTileStride + own_column] = s[r];
  }
  __syncthreads();
}

}  // namespace ipirm::ops::cuda

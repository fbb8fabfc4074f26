// The inner products of a tile's rows with its columns, by tensor cores to nearly float32: each
// feature is high + low in float16, and high·high + high·low + low·high are summed in float32.
#pragma once

#include "ops/cuda/pair_layout.cuh"

namespace ipirm::ops::cuda {

// Vectors of a tile's rows and columns for one chunk, of which two are in shared memory: one is
// multiplied while the next arrives.
inline constexpr int kStageVectors = 2 * kTile * kChunkVectors;
inline constexpr size_t kStagesBytes = 2 * kStageVectors * 16;

// Which of a tile's inner products a thread has: of rows row + 16 i + 8 h and columns
// column + 8 j + q, in s[i][j][2 h + q], for i, h and q < 2 and j < 8.
struct ThreadPlace {
  int lane;
  int warp_row, warp_column;  // 0..3 and 0..1
  int row, column;
};
__device__ inline ThreadPlace thread_place() {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  return {lane, warp / 2, warp % 2, warp / 2 * 32 + lane / 4, warp % 2 * 64 + 2 * (lane % 4)};
}

// Vector v of row r of a stage. The vectors of 8 rows that are read at once fall on different
// banks.
__device__ inline int stage_place(int r, int v) { return r * kChunkVectors + (v ^ (r & 7)); }

// Starts the copy of chunk `chunk` of the blocks that begin at views `row` and `column`.
__device__ inline void load_chunk(uint4* stage, const uint4* operands, int chunks, int row,
                                  int column, int chunk) {
  constexpr int kRowsAtOnce = kTileThreads / kChunkVectors;
  const int r = static_cast<int>(threadIdx.x) / kChunkVectors;
  const int v = static_cast<int>(threadIdx.x) % kChunkVectors;
  const size_t stride = static_cast<size_t>(chunks) * kChunkVectors;  // between views
  const auto load_block = [&](uint4* to, int view) {
    const uint4* from = operands + (view + r) * stride + chunk * kChunkVectors + v;
#pragma unroll
    for (int more = 0; more < kTile; more += kRowsAtOnce) {
      cp_async_16(to + stage_place(r + more, v), from);
      from += kRowsAtOnce * stride;
    }
  };
  load_block(stage, row);
  load_block(stage + kTile * kChunkVectors, column);
  cp_async_commit();
}

// Adds the products of a stage, 16 features after 16.
__device__ __forceinline__ void multiply_chunk(const uint4* stage, const ThreadPlace& place,
                                               float (&s)[2][8][4]) {
  const int lane = place.lane;
// Unrolled, it takes registers that there are not.
#pragma unroll 1
  for (int step = 0; step < kChunk / 16; ++step) {
    unsigned high[2][4], low[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int r = place.warp_row * 32 + i * 16 + lane % 16, v = 2 * step + lane / 16;
      ldmatrix_x4(high[i], stage + stage_place(r, v));
      ldmatrix_x4(low[i], stage + stage_place(r, v + 4));
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      unsigned column_high[4], column_low[4];
      const int r = kTile + place.warp_column * 64 + j * 16 + lane % 8 + lane / 16 * 8;
      const int v = 2 * step + lane / 8 % 2;
      ldmatrix_x4(column_high, stage + stage_place(r, v));
      ldmatrix_x4(column_low, stage + stage_place(r, v + 4));
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const unsigned h[2] = {column_high[2 * half], column_high[2 * half + 1]};
        const unsigned l[2] = {column_low[2 * half], column_low[2 * half + 1]};
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          mma_f16(s[i][2 * j + half], low[i], h);
          mma_f16(s[i][2 * j + half], high[i], l);
          mma_f16(s[i][2 * j + half], high[i], h);
        }
      }
    }
  }
}

// s = the inner products of the blocks that begin at views `row` and `column`, times `scale`.
// stages: kStagesBytes of shared memory, which all threads have left when this returns.
__device__ __forceinline__ void tile_products(uint4* stages, const uint4* operands, int chunks,
                                              int row, int column, float scale,
                                              const ThreadPlace& place, float (&s)[2][8][4]) {
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int q = 0; q < 4; ++q) s[i][j][q] = 0;
  load_chunk(stages, operands, chunks, row, column, 0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    if (chunk + 1 < chunks) {
      load_chunk(stages + (chunk + 1) % 2 * kStageVectors, operands, chunks, row, column,
                 chunk + 1);
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    multiply_chunk(stages + chunk % 2 * kStageVectors, place, s);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int q = 0; q < 4; ++q) s[i][j][q] *= scale;
}

}  // namespace ipirm::ops::cuda

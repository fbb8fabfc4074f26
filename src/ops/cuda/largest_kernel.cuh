// The largest inner product of each view with another one: what exponents are relative to where
// they would overflow.
#pragma once

#include "ops/cuda/pair_sweep_kernel.cuh"

namespace ipirm::ops::cuda {

struct LargestTask {
  PairLayout layout;
  Strip strip;
  const uint4* operands;
  const double* bound;
  double inverse_temperature;  // of the lowest temperature
  float* parts;                // (slots, kTile)

  __device__ bool needed() const { return !exponents_are_safe(*bound, inverse_temperature); }
};

inline constexpr float kBelowAll = -3.4e38f;

// Shared memory of largest_of_tile: the stages, which the warps' maxima take over.
inline constexpr size_t kLargestSharedBytes = kStagesBytes;

// The warps' maxima over what counts of a tile, (2, kTile) of its rows and (4, kTile) of its
// columns. In tiles of the same block `self` leaves out the pairs of a view with itself.
__device__ __forceinline__ void largest_of_warps(const float (&s)[2][8][4],
                                                 const ThreadPlace& place, bool self, int num_rows,
                                                 int num_columns, float* of_rows,
                                                 float* of_columns) {
  float row_max[2][2] = {{kBelowAll, kBelowAll}, {kBelowAll, kBelowAll}};
#pragma unroll
  for (int j = 0; j < 8; ++j)
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      const int c = place.column + 8 * j + q;
      float column_max = kBelowAll;
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int r = place.row + 16 * i + 8 * half;
          const float similarity = s[i][j][2 * half + q];
          if (self && r == c) continue;
          if (c < num_columns) row_max[i][half] = fmaxf(row_max[i][half], similarity);
          if (r < num_rows) column_max = fmaxf(column_max, similarity);
        }
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) {
        column_max = fmaxf(column_max, __shfl_xor_sync(0xffffffffu, column_max, lanes));
      }
      if (place.lane < 4) of_columns[place.warp_row * kTile + c] = column_max;
    }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float max = row_max[i][half];
      max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 1));
      max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, 2));
      if (place.lane % 4 == 0) {
        of_rows[place.warp_column * kTile + place.row + 16 * i + 8 * half] = max;
      }
    }
}

// Grid: the strip's tiles. Writes nothing where exponents are safe.
__global__ void __launch_bounds__(kTileThreads, 2) largest_of_tile(LargestTask task) {
  unsigned char* const shared = dynamic_shared<unsigned char>();
  if (!task.needed()) return;
  const Strip& strip = task.strip;
  const Strip::Tile blocks = strip.tile(static_cast<int>(blockIdx.x));
  const ThreadPlace place = thread_place();
  float s[2][8][4];
  tile_products(reinterpret_cast<uint4*>(shared), task.operands, task.layout.chunks,
                blocks.row * kTile, blocks.column * kTile, product_scale(*task.bound), place, s);
  float* const of_rows = reinterpret_cast<float*>(shared);
  float* const of_columns = of_rows + 2 * kTile;
  largest_of_warps(s, place, blocks.row == blocks.column, task.layout.samples_of(blocks.row),
                   task.layout.samples_of(blocks.column), of_rows, of_columns);
  __syncthreads();
  const int view = static_cast<int>(threadIdx.x);
  if (view >= kTile) return;
  float* const to_rows = task.parts + strip.slot(blocks.row, blocks.column) * kTile;
  to_rows[view] = fmaxf(of_rows[view], of_rows[kTile + view]);
  if (strip.receivers != Receivers::kAll || blocks.row == blocks.column) return;
  float max = kBelowAll;
  for (int warp = 0; warp < 4; ++warp) max = fmaxf(max, of_columns[warp * kTile + view]);
  task.parts[strip.slot(blocks.column, blocks.row) * kTile + view] = max;
}

// Grid: the strip's receiving blocks; kTile threads. largest (padded): that of each view over the
// strips until now, where `first` says that this is the first one for them; 0 where exponents are
// safe and for padding.
__global__ void __launch_bounds__(kTile)
    largest_of_parts(LargestTask task, bool first, float* largest) {
  const Strip& strip = task.strip;
  const int block = strip.first_receiver() + static_cast<int>(blockIdx.x);
  const int view = static_cast<int>(threadIdx.x);
  float* const to = largest + block * kTile + view;
  if (!task.needed() || view >= task.layout.samples_of(block)) {
    *to = 0;
    return;
  }
  const Strip::Partners partners = strip.partners(block);
  float max = first ? kBelowAll : *to;
  for (int p = 0; p < partners.count; ++p) {
    max = fmaxf(max, task.parts[(partners.first_slot + p) * kTile + view]);
  }
  *to = max;
}

}  // namespace ipirm::ops::cuda

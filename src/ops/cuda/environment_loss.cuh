// What the kernels of environment_loss share: the problem, the state between the passes, sums of a
// warp and the sweep over a row's columns.
//
// Logits stand in units of log 2 where they are exponents: exp(l - log D) = 2^(s scale - log_sum)
// with scale = 1/(T log 2).
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/cuda/similarity_tile.cuh"

namespace ipirm::ops::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
// Partitions whose sums a block keeps in registers: more spill.
constexpr int kGroup = 8;
// Labels of views that belong to no environment, as a column and as a row: equal to no other.
constexpr int kNoColumn = -1, kNoRow = -2;

struct Problem {
  Views views;
  const int64_t* environment;  // (P, B)
  int partitions, num_env;
  float scale, irm_scale;      // 1/(T log 2)
  float inverse, irm_inverse;  // 1/T
};

// What the forward pass leaves, all (P, M) except g0.
struct State {
  int* label;  // the view's environment; kNoColumn where the caller's is out of range
  float *log_sum, *irm_log_sum;  // log2 of D_i at T and at T'
  float *before, *after;         // 2 R_ij for column j in rows of later and of earlier samples
  float* weight;                 // w_i; 0 in an environment of one sample
  float* g0;                     // (P, K) g at the positives' position
};

// A label of the state as that of a row.
__device__ inline int row_label(int label) { return label < 0 ? kNoRow : label; }

// Which partitions a block of a grid (row blocks, groups) works on.
struct Group {
  int first, count;
};
__device__ inline Group own_group(int partitions) {
  const int groups = static_cast<int>(gridDim.y), size = (partitions + groups - 1) / groups;
  const int first = static_cast<int>(blockIdx.y) * size;
  return {first, min(size, partitions - first)};
}

// The logit in units of log 2. Rounded alike wherever it is taken (a compiler that merged the
// product into a sum would not): so rounding cancels between a logit and its row's log sum, which
// counts where logits are in the hundreds.
__device__ inline float exponent(float s, float scale) { return __fmul_rn(s, scale); }
// q_ij = exp(l_ij) / D_i.
__device__ inline float share(float s, float scale, float log_sum) {
  return exp2_fast(exponent(s, scale) - log_sum);
}

// log2 Σ 2^x, term by term, at any size of x.
struct LogSum {
  float largest = -INFINITY, sum = 0;

  __device__ void add(float x) {
    const float above = x - largest, smaller = exp2_fast(-fabsf(above));
    sum = above <= 0 ? sum + smaller : fmaf(sum, smaller, 1.f);
    largest = fmaxf(largest, x);
  }
  __device__ void add(const LogSum& other) {
    const float both = fmaxf(largest, other.largest);
    sum = sum * relative(largest, both) + other.sum * relative(other.largest, both);
    largest = both;
  }
  __device__ float value() const { return largest + log2f(sum); }

 private:
  // 2^(x - largest), also where both are -infinity.
  __device__ static float relative(float x, float largest) {
    return x == largest ? 1.f : exp2_fast(x - largest);
  }
};

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}
__device__ inline LogSum warp_sum(LogSum x) {
#pragma unroll
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) {
    LogSum other;
    other.largest = __shfl_xor_sync(kAllLanes, x.largest, lanes);
    other.sum = __shfl_xor_sync(kAllLanes, x.sum, lanes);
    x.add(other);
  }
  return x;
}

// The row that the thread's warp sums up; may lie beyond the last.
__device__ inline int own_row() {
  return static_cast<int>(blockIdx.x) * kRows + static_cast<int>(threadIdx.x) / kWarpSize;
}

// Calls visit(column, s) for the columns of the warp's row that are this lane's, but not for the
// row itself. All threads of the block call it.
template <class Visit>
__device__ inline void for_each_column(const Views& views, TileMemory& memory, Visit visit) {
  const int row0 = static_cast<int>(blockIdx.x) * kRows, row = own_row();
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const float* const own_tile = memory.tile + (row - row0) * kTileStride;
  for (int column0 = 0; column0 < views.count(); column0 += kColumns) {
    similarity_tile(views, row0, column0, memory);
#pragma unroll 1  // four columns of eight partitions side by side would spill
    for (int c = lane; c < kColumns; c += kWarpSize) {
      const int column = column0 + c;
      if (column < views.count() && row < views.count() && column != row) {
        visit(column, own_tile[c]);
      }
    }
  }
}

}  // namespace ipirm::ops::cuda

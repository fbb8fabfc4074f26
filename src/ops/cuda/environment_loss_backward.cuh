// The two sweeps of environment_loss's backward pass: Q_i of each row, then the gradient of each
// pair's similarity times the views.
#pragma once

#include "ops/cuda/environment_loss.cuh"
#include "ops/environment_math.h"

namespace ipirm::ops::cuda {

// row_sum (P, M): Q_i = Σ_j 2 R_ij q_ij l_ij at T'.
__global__ void __launch_bounds__(kThreads, 2) row_sums(Problem in, State state, float* row_sum) {
  TileMemory& memory = *dynamic_shared<TileMemory>();
  const int row = own_row(), lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int m = in.views.count();
  const Group group = own_group(in.partitions);
  const size_t first = static_cast<size_t>(group.first) * m;
  const int* const labels = state.label + first;
  const int own_sample = in.views.sample(row);
  int own[kGroup];
  float log_sum[kGroup], sum[kGroup] = {};
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    const bool is_there = g < group.count && row < m;
    const int at = g * m + row;
    own[g] = is_there ? row_label(labels[at]) : kNoRow;
    log_sum[g] = is_there ? state.irm_log_sum[first + at] : 0;
  }
  for_each_column(in.views, memory, [&](int column, float s) {
    const int sample = in.views.sample(column);
    const float l = s * in.irm_inverse;
    const float* const twice_r =
        (sample < own_sample ? state.before : state.after) + first + column;
#pragma unroll
    for (int g = 0; g < kGroup; ++g) {
      const int at = g * m;
      if (g >= group.count || labels[at + column] != own[g]) continue;
      const float r = sample == own_sample ? 2 * state.g0[(group.first + g) * in.num_env + own[g]]
                                           : twice_r[at];
      sum[g] += r * share(s, in.irm_scale, log_sum[g]) * l;
    }
  });
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    if (g >= group.count) continue;
    const float total = warp_sum(sum[g]);
    if (lane == 0 && row < m) row_sum[first + g * m + row] = total;
  }
}

// What a pair's gradient takes of one of its views, in one partition.
struct ViewFactors {
  int label;
  float log_sum, irm_log_sum, row_sum, before, after;
};
__device__ inline ViewFactors view_factors(const State& state, const float* row_sum, size_t at) {
  return {state.label[at], state.log_sum[at], state.irm_log_sum[at],
          row_sum[at],     state.before[at],  state.after[at]};
}
// The same of a row, with what is one number an environment.
struct RowFactors {
  ViewFactors view;
  float contrastive, penalty;  // dL/dcontrastive w/T, dL/dpenalty w/T'
  float twice_g0;
};

constexpr int kPartitionsAtOnce = 16;  // whose rows' factors lie in shared memory
constexpr int kFeatures = kColumns;    // of the gradient a block computes

struct GradientMemory {
  TileMemory tiles;
  RowFactors rows[kPartitionsAtOnce * kRows];
  float coefficients[kColumns * kRows];  // dL/dS_ij + dL/dS_ji, all rows of a column together
};

struct Gradients {
  const float *contrastive, *penalty;  // (P, K) dL/dcontrastive, dL/dpenalty
  const float* row_sum;                // (P, M)
  float *z1, *z2;                      // (B, d) results
};

// The factors of the block's rows in partitions first to first + count - 1. All threads call it.
__device__ inline void load_rows(const Problem& in, const State& state, const Gradients& gradients,
                                 int row0, int first, int count, RowFactors* rows) {
  const int m = in.views.count();
  __syncthreads();  // those before have been read
  for (int i = static_cast<int>(threadIdx.x); i < count * kRows; i += kThreads) {
    const int partition = first + i / kRows, row = row0 + i % kRows;
    RowFactors out = {};
    out.view.label = kNoRow;
    const size_t at = static_cast<size_t>(partition) * m + row;
    if (row < m && state.label[at] >= 0) {
      const float weight = state.weight[at];
      out.view = view_factors(state, gradients.row_sum, at);
      const int column = partition * in.num_env + out.view.label;
      if (weight == 0) {
        out.view.label = kNoRow;  // an environment of one sample has no loss
      } else {
        out.contrastive = gradients.contrastive[column] * weight * in.inverse;
        out.penalty = gradients.penalty[column] * weight * in.irm_inverse;
        out.twice_g0 = 2 * state.g0[column];
      }
    }
    rows[i] = out;
  }
  __syncthreads();
}

// dL/dS_ij + dL/dS_ji of one partition, for views of one environment. `order`: 1 where row i's
// sample comes later than column j's, -1 where earlier, 0 where j is the positive.
template <bool kOneTemperature>
__device__ inline float pair_gradient(const Problem& in, const RowFactors& row,
                                      const ViewFactors& column, float s, int order) {
  const float share_ij = share(s, in.scale, row.view.log_sum);
  const float share_ji = share(s, in.scale, column.log_sum);
  const float irm_ij = kOneTemperature ? share_ij : share(s, in.irm_scale, row.view.irm_log_sum);
  const float irm_ji = kOneTemperature ? share_ji : share(s, in.irm_scale, column.irm_log_sum);
  const bool positive = order == 0;
  const float r_ij = positive ? row.twice_g0 : order > 0 ? column.before : column.after;
  const float r_ji = positive ? row.twice_g0 : order > 0 ? row.view.after : row.view.before;
  return row.contrastive * contrastive_gradient(share_ij, share_ji, positive) +
         row.penalty * penalty_gradient(Direction<float>{irm_ij, r_ij, row.view.row_sum},
                                        Direction<float>{irm_ji, r_ji, column.row_sum},
                                        s * in.irm_inverse, positive);
}

// The thread's share of the coefficients of a tile: of its column and its rows, over all
// partitions. All threads call it.
template <bool kOneTemperature>
__device__ inline void add_coefficients(const Problem& in, const State& state,
                                        const Gradients& gradients, int row0, int column0,
                                        const float (&s)[kRowsOfThread], GradientMemory& memory) {
  const int thread = static_cast<int>(threadIdx.x), m = in.views.count();
  const int own_rows = thread / kColumns * kRowsOfThread, column = column0 + thread % kColumns;
  float sum[kRowsOfThread] = {};
  for (int first = 0; first < in.partitions; first += kPartitionsAtOnce) {
    const int count = min(kPartitionsAtOnce, in.partitions - first);
    if (column0 == 0 || in.partitions > kPartitionsAtOnce) {
      load_rows(in, state, gradients, row0, first, count, memory.rows);
    }
#pragma unroll 1
    for (int p = 0; p < count && column < m; ++p) {
      const ViewFactors of_column =
          view_factors(state, gradients.row_sum, static_cast<size_t>(first + p) * m + column);
#pragma unroll
      for (int r = 0; r < kRowsOfThread; ++r) {
        const int row = row0 + own_rows + r;
        const RowFactors& of_row = memory.rows[p * kRows + own_rows + r];
        if (of_row.view.label != of_column.label || row == column) continue;
        const int order = in.views.sample(row) - in.views.sample(column);
        sum[r] += pair_gradient<kOneTemperature>(in, of_row, of_column, s[r], order);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRowsOfThread; ++r) {
    memory.coefficients[thread % kColumns * kRows + own_rows + r] = sum[r];
  }
}

// dz_i = Σ_j (dL/dS_ij + dL/dS_ji) z_j. A grid (row blocks, features / 128).
template <bool kOneTemperature>
__global__ void __launch_bounds__(kThreads, 2)
    view_gradients(Problem in, State state, Gradients gradients) {
  GradientMemory& memory = *dynamic_shared<GradientMemory>();
  const int thread = static_cast<int>(threadIdx.x), m = in.views.count();
  const int row0 = static_cast<int>(blockIdx.x) * kRows;
  const int own_rows = thread / kFeatures * kRowsOfThread;
  const int feature = static_cast<int>(blockIdx.y) * kFeatures + thread % kFeatures;
  float sum[kRowsOfThread] = {};
  for (int column0 = 0; column0 < m; column0 += kColumns) {
    float s[kRowsOfThread];
    similarities(in.views, row0, column0, memory.tiles, s);
    add_coefficients<kOneTemperature>(in, state, gradients, row0, column0, s, memory);
    __syncthreads();
    const int columns = feature < in.views.dim ? min(kColumns, m - column0) : 0;
#pragma unroll 8
    for (int c = 0; c < columns; ++c) {
      const float z = in.views.row(column0 + c)[feature];
#pragma unroll
      for (int r = 0; r < kRowsOfThread; ++r) {
        sum[r] = fmaf(memory.coefficients[c * kRows + own_rows + r], z, sum[r]);
      }
    }
  }
  if (feature >= in.views.dim) return;
  for (int r = 0; r < kRowsOfThread; ++r) {
    const int row = row0 + own_rows + r;
    if (row >= m) return;
    float* const out = row < in.views.batch ? gradients.z1 : gradients.z2;
    out[static_cast<size_t>(in.views.sample(row)) * in.views.dim + feature] = sum[r];
  }
}

}  // namespace ipirm::ops::cuda

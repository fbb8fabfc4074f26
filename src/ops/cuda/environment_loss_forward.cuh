// The two sweeps of environment_loss's forward pass: each row's log sums, then each column's sums
// by position.
#pragma once

#include "ops/cuda/environment_loss.cuh"

namespace ipirm::ops::cuda {

// log_sum, irm_log_sum and label of the state, and positive (M): S_ip. A block takes 8 rows and a
// group of partitions. kOneTemperature: T' = T.
template <bool kOneTemperature>
__global__ void __launch_bounds__(kThreads, 2) log_sums(Problem in, State state, float* positive) {
  TileMemory& memory = *dynamic_shared<TileMemory>();
  const int row = own_row(), lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int m = in.views.count(), batch = in.views.batch;
  const Group group = own_group(in.partitions);
  const int64_t* const labels = in.environment + static_cast<size_t>(group.first) * batch;
  int own[kGroup];
  LogSum sum[kGroup], irm_sum[kOneTemperature ? 1 : kGroup];
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    const int64_t label =
        g < group.count && row < m ? labels[g * batch + in.views.sample(row)] : kNoRow;
    own[g] = label < 0 || label >= in.num_env ? kNoRow : static_cast<int>(label);
  }
  for_each_column(in.views, memory, [&](int column, float s) {
    const int64_t* const of_column = labels + in.views.sample(column);
#pragma unroll
    for (int g = 0; g < kGroup; ++g) {
      if (g < group.count && static_cast<int>(of_column[g * batch]) == own[g]) {
        sum[g].add(exponent(s, in.scale));
        if (!kOneTemperature) irm_sum[g].add(exponent(s, in.irm_scale));
      }
    }
    if (group.first == 0 && column == in.views.positive(row)) positive[row] = s;
  });
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    if (g >= group.count) continue;  // the same for all threads
    const float value = warp_sum(sum[g]).value();
    const float irm_value =
        kOneTemperature ? value : warp_sum(irm_sum[kOneTemperature ? 0 : g]).value();
    if (lane != 0 || row >= m) continue;
    const size_t at = static_cast<size_t>(group.first + g) * m + row;
    state.log_sum[at] = value;
    state.irm_log_sum[at] = irm_value;
    state.label[at] = own[g] == kNoRow ? kNoColumn : own[g];
  }
}

// For each view j and partition Σ_i q_ij l_ij at T', over the rows i of later samples than j's into
// state.before, and over those of earlier ones into state.after: n_e times what they add to g. S
// being symmetric, the sums over a column are taken along its row.
__global__ void __launch_bounds__(kThreads, 2) position_sums(Problem in, State state) {
  TileMemory& memory = *dynamic_shared<TileMemory>();
  const int own_view = own_row(), lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int m = in.views.count();
  const Group group = own_group(in.partitions);
  const size_t first = static_cast<size_t>(group.first) * m;
  const int* const labels = state.label + first;
  const float* const log_sum = state.irm_log_sum + first;
  const int own_sample = in.views.sample(own_view);
  int own[kGroup];
  float before[kGroup] = {}, after[kGroup] = {};
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    own[g] = g < group.count && own_view < m ? row_label(labels[g * m + own_view]) : kNoRow;
  }
  for_each_column(in.views, memory, [&](int row, float s) {
    const int sample = in.views.sample(row);
    if (sample == own_sample) return;  // the positive has a position of its own
    const float l = s * in.irm_inverse;
#pragma unroll
    for (int g = 0; g < kGroup; ++g) {
      if (g >= group.count || labels[g * m + row] != own[g]) continue;
      const float term = share(s, in.irm_scale, log_sum[g * m + row]) * l;
      before[g] += sample > own_sample ? term : 0;
      after[g] += sample < own_sample ? term : 0;
    }
  });
#pragma unroll
  for (int g = 0; g < kGroup; ++g) {
    if (g >= group.count) continue;
    const float sum_before = warp_sum(before[g]), sum_after = warp_sum(after[g]);
    if (lane != 0 || own_view >= m) continue;
    const size_t at = first + g * m + own_view;
    state.before[at] = sum_before;
    state.after[at] = sum_after;
  }
}

}  // namespace ipirm::ops::cuda

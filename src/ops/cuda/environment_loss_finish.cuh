// The end of environment_loss's forward pass: from sums by row and column to the losses and to g,
// the gradient by position, one block for each environment of each partition.
#pragma once

#include "ops/cuda/environment_loss.cuh"
#include "ops/environment_math.h"

namespace ipirm::ops::cuda {

// Memory of the forward pass alone.
struct ForwardScratch {
  float* positive;  // (M) S_ip
  float* g;         // (P, M) g of a partition's environments, one after the other
  int* order;       // (P, B) samples of a partition by environment, each in batch order
};

constexpr double kLog2 = .693147180559945309;
constexpr int kWarps = kThreads / kWarpSize;

// The sum over the block, for all threads; always added in the same order. All threads call it.
template <class Number>
__device__ inline Number block_sum(Number x, Number* of_warps) {
#pragma unroll
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // of_warps may still be read
  if (thread % kWarpSize == 0) of_warps[thread / kWarpSize] = x;
  __syncthreads();
  Number sum = 0;
  for (int warp = 0; warp < kWarps; ++warp) sum += of_warps[warp];
  return sum;
}

struct FinishMemory {
  double of_warps[kWarps];
  int counts[kWarps];
};

// An environment of a partition: its samples in batch order are order[0..size).
struct Members {
  int size = 0;
  int start = 0;      // samples of environments before it
  bool sound = true;  // whether all labels of the partition are in range
  int* order = nullptr;
};

// Finds the members of environment `e` among labels (B), and writes their order.
__device__ inline Members find_members(const int64_t* labels, int batch, int num_env, int e,
                                       int* order, FinishMemory& memory) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarpSize;
  int smaller = 0, equal = 0, wrong = 0;
  for (int i = thread; i < batch; i += kThreads) {
    smaller += labels[i] < e ? 1 : 0;
    equal += labels[i] == e ? 1 : 0;
    wrong += labels[i] < 0 || labels[i] >= num_env ? 1 : 0;
  }
  Members members;
  wrong = block_sum(wrong, memory.counts);
  members.start = block_sum(smaller, memory.counts);
  members.size = block_sum(equal, memory.counts);
  members.sound = wrong == 0;
  members.order = order + members.start;
  int found = 0;
  for (int i0 = 0; i0 < batch; i0 += kThreads) {
    const int i = i0 + thread;
    const bool is_member = i < batch && labels[i] == e;
    const unsigned votes = __ballot_sync(kAllLanes, is_member);
    __syncthreads();
    if (lane == 0) memory.counts[thread / kWarpSize] = __popc(votes);
    __syncthreads();
    int place = found + __popc(votes & ((1u << lane) - 1));
    for (int warp = 0; warp < kWarps; ++warp) {
      if (warp < thread / kWarpSize) place += memory.counts[warp];
      found += memory.counts[warp];
    }
    if (is_member) members.order[place] = i;
  }
  __syncthreads();  // the order is there for all threads of the block
  return members;
}

// g_k for 1 <= k <= 2 size - 2, from what position_sums left: each position takes from the sample
// that stands there in rows of later samples, and from that in rows of earlier ones.
__device__ inline float position_gradient(const Members& members, int k, const float* before,
                                          const float* after, int batch, float weight) {
  const int n = members.size;
  // The inverse of column_position.
  const int view = k < n ? 0 : 1;
  const int rank_before = view == 0 ? k - 1 : k - n, rank_after = rank_before + 1;
  return weight * (before[view * batch + members.order[rank_before]] +
                   after[view * batch + members.order[rank_after]]);
}

// Writes contrastive and penalty (P, K), and before, after, weight and g0 of the state. A grid of
// P * K blocks.
__global__ void __launch_bounds__(kThreads)
    finish(Problem in, State state, ForwardScratch scratch, float* contrastive, float* penalty) {
  FinishMemory& memory = *dynamic_shared<FinishMemory>();
  const int thread = static_cast<int>(threadIdx.x), batch = in.views.batch, m = 2 * batch;
  const int column = static_cast<int>(blockIdx.x), partition = column / in.num_env;
  const size_t first = static_cast<size_t>(partition) * m;
  const Members members = find_members(
      in.environment + static_cast<size_t>(partition) * batch, batch, in.num_env,
      column % in.num_env, scratch.order + static_cast<size_t>(partition) * batch, memory);
  const int n = members.size;
  const float weight = n < 2 ? 0 : .5f / static_cast<float>(n);
  float *const before = state.before + first, *const after = state.after + first;

  double loss = 0, positive_part = 0;
  for (int i = thread; i < 2 * n && n > 1; i += kThreads) {
    const int sample = members.order[i % n];
    const size_t view = first + static_cast<size_t>(i / n) * batch + sample;
    const float s = scratch.positive[sample];
    loss += static_cast<double>(state.log_sum[view] - exponent(s, in.scale)) * kLog2;
    const float own_share = share(s, in.irm_scale, state.irm_log_sum[view]);
    positive_part += (own_share - 1.) * (static_cast<double>(s) * in.irm_inverse);
  }
  loss = weight * block_sum(loss, memory.of_warps);
  const float g0 = static_cast<float>(weight * block_sum(positive_part, memory.of_warps));

  float* const g = scratch.g + first + 2 * static_cast<size_t>(members.start);
  double squares = thread == 0 ? static_cast<double>(g0) * g0 : 0;
  for (int k = 1 + thread; k < 2 * n - 1; k += kThreads) {
    g[k] = position_gradient(members, k, before, after, batch, weight);
    squares += static_cast<double>(g[k]) * g[k];
  }
  squares = block_sum(squares, memory.of_warps);  // and nobody reads `before` and `after` any more
  for (int i = thread; i < 2 * n; i += kThreads) {
    const int rank = i % n, view = i / n, at = view * batch + members.order[rank];
    before[at] = rank + 1 < n ? 2 * g[column_position(n, rank, view, true)] : 0;
    after[at] = rank > 0 ? 2 * g[column_position(n, rank, view, false)] : 0;
    state.weight[first + at] = members.sound ? weight : NAN;
  }
  if (thread == 0) {
    contrastive[column] = members.sound ? static_cast<float>(loss) : NAN;
    penalty[column] = members.sound ? static_cast<float>(squares) : NAN;
    state.g0[column] = g0;
  }
}

}  // namespace ipirm::ops::cuda

// Launches the sums over a whole batch.
#include "ops/cuda/batch_sums.cuh"

#include "ops/cuda/row_sums.cuh"

namespace ipirm::ops::cuda {
namespace {

// Grid: K + 1. A block an environment, and one for the bound.
__global__ void __launch_bounds__(kRowThreads)
    sum_weights(const float* weights, int n, int num_env, const double* block_bounds,
                int num_bounds, double* sums, double* bound) {
  double* const shared = dynamic_shared<double>();
  const int env = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  if (env < num_env) {
    double sum = 0;
    for (int i = thread; i < n; i += kRowThreads)
      sum += weights[static_cast<size_t>(i) * num_env + env];
    sum = block_sum(sum, shared);
    if (thread == 0) sums[env] = sum;
    return;
  }
  double most = 0;
  for (int b = thread; b < num_bounds; b += kRowThreads) most = larger(most, block_bounds[b]);
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    most = larger(most, __shfl_xor_sync(0xffffffffu, most, lanes));
  }
  if (thread % 32 == 0) shared[thread / 32] = most;
  __syncthreads();
  if (thread != 0) return;
  for (int warp = 0; warp < kRowThreads / 32; ++warp) most = larger(most, shared[warp]);
  *bound = most;
}

// Grid: K.
__global__ void __launch_bounds__(kRowThreads)
    finish_values(ValueParts parts, float* contrastive, float* penalty) {
  double* const shared = dynamic_shared<double>();
  const int env = static_cast<int>(blockIdx.x);
  const size_t first = static_cast<size_t>(env) * parts.blocks;
  const double loss = sum_of_blocks(parts.contrastive + first, parts.blocks, shared);
  const double g0 = parts.g0 == nullptr ? 0 : sum_of_blocks(parts.g0 + first, parts.blocks, shared);
  const double others = sum_of_blocks(parts.penalty + first, parts.blocks, shared);
  if (threadIdx.x != 0) return;
  contrastive[env] = static_cast<float>(loss);
  penalty[env] = static_cast<float>(g0 * g0 + others);
}

}  // namespace

int launch_batch_sums(const PairLayout& layout, const float* weights, int num_env,
                      const double* block_bounds, double* sums, double* bound,
                      cudaStream_t stream) {
  return launch(sum_weights, dim3(static_cast<unsigned>(num_env) + 1), dim3(kRowThreads),
                kBlockSumBytes, stream, weights, layout.n, num_env, block_bounds,
                sample_blocks(layout), sums, bound);
}

int launch_values(const ValueParts& parts, int num_env, float* contrastive, float* penalty,
                  cudaStream_t stream) {
  return launch(finish_values, dim3(static_cast<unsigned>(num_env)), dim3(kRowThreads),
                kBlockSumBytes, stream, parts, contrastive, penalty);
}

}  // namespace ipirm::ops::cuda

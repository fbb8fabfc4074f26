// What both partition risks sum over a whole batch: weights before their sweeps, values after them.
#pragma once

#include "ops/cuda/pair_sweeps.cuh"

namespace ipirm::ops::cuda {

// sums (K): each environment's weights, of weights (n, K); bound: the largest |z|², of
// block_bounds (sample_blocks). On the device; 0 or the error of the launch.
int launch_batch_sums(const PairLayout& layout, const float* weights, int num_env,
                      const double* block_bounds, double* sums, double* bound, cudaStream_t stream);

// What the kernels of rows left in blocks of rows, (K, blocks) each: of the contrastive value, of
// the gradient at position 0 (or null), of the other positions' squares.
struct ValueParts {
  const double *contrastive, *g0, *penalty;
  int blocks;
};
// contrastive, penalty (K).
int launch_values(const ValueParts& parts, int num_env, float* contrastive, float* penalty,
                  cudaStream_t stream);

}  // namespace ipirm::ops::cuda

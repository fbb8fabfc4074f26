// The CUDA kernels of environment_loss as functions that take pointers, sizes and a stream: the
// border between sources that nvcc compiles and those that know PyTorch.
#pragma once

#include <cstdint>

namespace ipirm::ops::cuda {

// Pointers are to device memory, rows contiguous. M = 2 * batch views: z1's rows, then z2's.
struct EnvironmentLossInputs {
  const float *z1, *z2;        // (batch, dim) each
  const int64_t* environment;  // (partitions, batch), 0 to num_env - 1
  int64_t batch, dim, partitions, num_env;
  double temperature, irm_temperature;
};

// How many float32 the launchers below need in `scratch`, which they leave without meaning.
int64_t environment_loss_forward_scratch(const EnvironmentLossInputs& in);
int64_t environment_loss_backward_scratch(const EnvironmentLossInputs& in);

// Both enqueue their kernels on `stream` (a cudaStream_t) and return at once: 0, or the number of a
// cudaError_t. `state` is of environment_state_shape() in float64; what is in it is known here
// alone. No atomic operations: the same bits each time.
//
// contrastive, penalty: (partitions, num_env). Where a label is out of range, all of its
// partition's are NaN. Three launches.
int environment_loss_forward(const EnvironmentLossInputs& in, float* contrastive, float* penalty,
                             double* state, float* scratch, void* stream);
// grad_z1, grad_z2: (batch, dim), gradients of Σ grad_contrastive∘contrastive +
// grad_penalty∘penalty. Two launches.
int environment_loss_backward(const EnvironmentLossInputs& in, const float* grad_contrastive,
                              const float* grad_penalty, const double* state, float* grad_z1,
                              float* grad_z2, float* scratch, void* stream);

}  // namespace ipirm::ops::cuda

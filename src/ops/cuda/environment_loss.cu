// Launches the kernels of environment_loss: three for the forward pass, two for the backward one,
// whatever the number of partitions.
#include <cmath>

#include "ops/cuda/environment_loss_backward.cuh"
#include "ops/cuda/environment_loss_finish.cuh"
#include "ops/cuda/environment_loss_forward.cuh"
#include "ops/cuda/environment_loss_launch.h"

namespace ipirm::ops::cuda {
namespace {

bool is_aligned(const float* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

Problem problem_of(const EnvironmentLossInputs& in) {
  Problem out;
  out.views = {in.z1, in.z2, static_cast<int>(in.batch), static_cast<int>(in.dim),
               in.dim % 4 == 0 && is_aligned(in.z1) && is_aligned(in.z2)};
  out.environment = in.environment;
  out.partitions = static_cast<int>(in.partitions);
  out.num_env = static_cast<int>(in.num_env);
  const double log_2 = std::log(2.);
  out.scale = static_cast<float>(1 / (in.temperature * log_2));
  out.irm_scale = static_cast<float>(1 / (in.irm_temperature * log_2));
  out.inverse = static_cast<float>(1 / in.temperature);
  out.irm_inverse = static_cast<float>(1 / in.irm_temperature);
  return out;
}

// Six numbers of 4 bytes a view and partition and one an environment: less than the (3P + PK, M)
// numbers of 8 bytes that the state has.
State state_of(const EnvironmentLossInputs& in, const double* memory) {
  float* const at = reinterpret_cast<float*>(const_cast<double*>(memory));
  const int64_t row = in.partitions * 2 * in.batch;
  return {reinterpret_cast<int*>(at),
          at + row,
          at + 2 * row,
          at + 3 * row,
          at + 4 * row,
          at + 5 * row,
          at + 6 * row};
}

unsigned row_blocks(const EnvironmentLossInputs& in) {
  return static_cast<unsigned>((2 * in.batch + kRows - 1) / kRows);
}
// A block for 8 rows and each group of partitions.
dim3 sweep_grid(const EnvironmentLossInputs& in) {
  return dim3(row_blocks(in), static_cast<unsigned>((in.partitions + kGroup - 1) / kGroup));
}

}  // namespace

int64_t environment_loss_forward_scratch(const EnvironmentLossInputs& in) {
  return 2 * in.batch + in.partitions * 2 * in.batch + in.partitions * in.batch;
}

int64_t environment_loss_backward_scratch(const EnvironmentLossInputs& in) {
  return in.partitions * 2 * in.batch;
}

int environment_loss_forward(const EnvironmentLossInputs& in, float* contrastive, float* penalty,
                             double* state_memory, float* scratch, void* stream_handle) {
  const Problem problem = problem_of(in);
  const State state = state_of(in, state_memory);
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  float* const g = scratch + 2 * in.batch;
  const ForwardScratch work = {scratch, g,
                               reinterpret_cast<int*>(g + in.partitions * 2 * in.batch)};
  const auto first = in.temperature == in.irm_temperature ? log_sums<true> : log_sums<false>;
  int error = launch(first, sweep_grid(in), dim3(kThreads), sizeof(TileMemory), stream, problem,
                     state, work.positive);
  if (error != 0) return error;
  error = launch(position_sums, sweep_grid(in), dim3(kThreads), sizeof(TileMemory), stream, problem,
                 state);
  if (error != 0) return error;
  return launch(finish, dim3(static_cast<unsigned>(in.partitions * in.num_env)), dim3(kThreads),
                sizeof(FinishMemory), stream, problem, state, work, contrastive, penalty);
}

int environment_loss_backward(const EnvironmentLossInputs& in, const float* grad_contrastive,
                              const float* grad_penalty, const double* state_memory, float* grad_z1,
                              float* grad_z2, float* scratch, void* stream_handle) {
  const Problem problem = problem_of(in);
  const State state = state_of(in, state_memory);
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const int error = launch(row_sums, sweep_grid(in), dim3(kThreads), sizeof(TileMemory), stream,
                           problem, state, scratch);
  if (error != 0) return error;
  const Gradients gradients = {grad_contrastive, grad_penalty, scratch, grad_z1, grad_z2};
  const auto last =
      in.temperature == in.irm_temperature ? view_gradients<true> : view_gradients<false>;
  const dim3 grid(row_blocks(in), static_cast<unsigned>((in.dim + kFeatures - 1) / kFeatures));
  return launch(last, grid, dim3(kThreads), sizeof(GradientMemory), stream, problem, state,
                gradients);
}

}  // namespace ipirm::ops::cuda

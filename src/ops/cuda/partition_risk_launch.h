// The CUDA kernels of partition_risk as functions that take pointers, sizes and a stream: the
// border between sources that nvcc compiles and those that know PyTorch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cuda/sweep_team.h"

namespace ipirm::ops::cuda {

// Pointers are to device memory, rows contiguous.
struct PartitionRiskInputs {
  const float *z1, *z2;  // (rows, dim) each
  const int64_t* index;  // (n), each 0..rows-1: the rows that count; null: all n = rows
  const float* weights;  // (n, num_env)
  int64_t rows, n, dim, num_env;
  double temperature, irm_temperature, irm_weight;
  bool nonorm;
  const SweepTeam* team = nullptr;  // sweeps the pairs together; null: alone
};

struct PartitionRiskOutputs {
  float *contrastive, *penalty;  // (num_env)
  float* grad;                   // (n, num_env)
};

// How many bytes partition_risk needs in `scratch`, aligned to 256, which it leaves without
// meaning: about 25 MB besides the features in two parts and 120 bytes a sample and environment.
size_t partition_risk_scratch(const PartitionRiskInputs& in);

// Enqueues the kernels on `stream` (a cudaStream_t) and returns at once: 0, or the number of a
// cudaError_t. No atomic operations: the same bits each time. 19 launches where the temperatures
// are equal and 26 where they are not, whatever the number of environments; for many samples (about
// 8,000 of 2 environments) each sweep goes in several strips of 2 launches each.
int partition_risk(const PartitionRiskInputs& in, const PartitionRiskOutputs& out, void* scratch,
                   void* stream);

}  // namespace ipirm::ops::cuda

// The CUDA kernels of partition_risk_mixup as functions that take pointers, sizes and a stream: the
// border between sources that nvcc compiles and those that know PyTorch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cuda/sweep_team.h"

namespace ipirm::ops::cuda {

// Pointers are to device memory, rows contiguous.
struct PartitionRiskMixupInputs {
  const float *z1, *z2;    // (n, dim) each: the mixed views' rows, the unmixed ones'
  const float* weights;    // (n, num_env)
  const float* lam;        // (n)
  const int64_t* partner;  // (n), each 0..n-1: the online form; null: the offline one
  int64_t n, dim, num_env;
  double temperature, irm_weight;
  bool nonorm;
  const SweepTeam* team = nullptr;  // sweeps the pairs together; null: alone
};

struct PartitionRiskMixupOutputs {
  float *contrastive, *penalty;  // (num_env)
  float* grad;                   // (n, num_env)
};

// As partition_risk_scratch and partition_risk (partition_risk_launch.h). 19 launches, 17 where
// irm_weight is 0.
size_t partition_risk_mixup_scratch(const PartitionRiskMixupInputs& in);
int partition_risk_mixup(const PartitionRiskMixupInputs& in, const PartitionRiskMixupOutputs& out,
                         void* scratch, void* stream);

}  // namespace ipirm::ops::cuda

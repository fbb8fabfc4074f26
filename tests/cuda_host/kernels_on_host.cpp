// The sources that nvcc would compile, compiled as C++: their launchers run kernels on the CPU.
#include "ops/cuda/batch_sums.cu"
#include "ops/cuda/environment_loss.cu"
#include "ops/cuda/pair_sweeps.cu"
#include "ops/cuda/partition_risk.cu"
#include "ops/cuda/partition_risk_mixup.cu"

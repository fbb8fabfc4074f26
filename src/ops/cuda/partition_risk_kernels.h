// The two partition risks by their CUDA kernels, as DeviceKernels' entries.
#pragma once

#include "ops/risk_implementations.h"

namespace ipirm::ops::cuda {

// As DeviceKernels says: checked arguments in float32 on one device, whose current stream the
// kernels go to. Nothing waits for the device. An index or a partner out of range stops it with an
// error.
PartitionRisk partition_risk_by_kernels;
PartitionRiskMixup partition_risk_mixup_by_kernels;

// The current stream of `device`, a cudaStream_t. Defined where the kernels are linked: in
// tests under the host header as null.
void* current_stream(c10::Device device);

}  // namespace ipirm::ops::cuda

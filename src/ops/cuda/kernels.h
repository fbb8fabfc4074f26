// The kernels of this folder as the operators call them: with tensors, for the table of
// device_kernels.h.
#pragma once

#include "ops/device_kernels.h"

namespace ipirm::ops::cuda {

// An index or a partner out of range stops the device with an error.
SharedPartitionRisk partition_risk_kernels;
SharedPartitionRiskMixup partition_risk_mixup_kernels;
EnvironmentLossForward environment_loss_forward_kernels;
EnvironmentLossBackward environment_loss_backward_kernels;

// All of them, for a row of the table.
inline DeviceKernels all_kernels() {
  return {partition_risk_kernels, partition_risk_mixup_kernels, environment_loss_forward_kernels,
          environment_loss_backward_kernels, nullptr};
}

}  // namespace ipirm::ops::cuda

// The kernels of this folder as the operators call them: with tensors, for the table of
// device_kernels.h.
#pragma once

#include "ops/device_kernels.h"

namespace ipirm::ops::cuda {

EnvironmentLossForward environment_loss_forward_kernels;
EnvironmentLossBackward environment_loss_backward_kernels;

}  // namespace ipirm::ops::cuda

// A table of the kernels that a device has of its own, filled by the library that brings them.
//
// libipirm_ops.so knows no device's language. libipirm_cuda.so fills CUDA's row when it is loaded;
// tests, and whoever plugs a device into PyTorch, fill that of PrivateUse1. Where a row has no
// kernel, and for float64, the device computes the ATen form.
#pragma once

#include <ATen/ATen.h>

#include <tuple>

#include "ops/risk_implementations.h"

namespace ipirm::ops {

// The two passes of environment_loss below autograd. State is of environment_state_shape() and
// float64.
using EnvironmentLossForward = std::tuple<at::Tensor, at::Tensor, at::Tensor>(
    const at::Tensor& z1, const at::Tensor& z2, const at::Tensor& environment, int64_t num_env,
    double temperature, double irm_temperature);
using EnvironmentLossBackward = std::tuple<at::Tensor, at::Tensor>(
    const at::Tensor& grad_contrastive, const at::Tensor& grad_penalty, const at::Tensor& z1,
    const at::Tensor& z2, const at::Tensor& environment, const at::Tensor& state, int64_t num_env,
    double temperature, double irm_temperature);

// Each takes arguments that the operator has checked, float32 and on the row's device, outside
// autocast and where no graph is recorded. nullptr: there is none.
struct DeviceKernels {
  // With a team, or null for one who is alone.
  SharedPartitionRisk* partition_risk = nullptr;
  SharedPartitionRiskMixup* partition_risk_mixup = nullptr;
  // Both or neither: the backward pass reads the state that its own forward pass left.
  EnvironmentLossForward* environment_loss_forward = nullptr;
  EnvironmentLossBackward* environment_loss_backward = nullptr;
  // Whether they run on the device of this number: a GPU may be older than what they were compiled
  // for. nullptr: on all.
  bool (*run_on)(c10::DeviceIndex) = nullptr;
};

// The row of a device. Written before the operators are first called there, and not while they
// run: there is no lock.
DeviceKernels& device_kernels(c10::DeviceType device);

// Once in a process, where CUDA has no kernels or none for this card: how to load them.
void warn_of_missing_kernels(c10::DeviceType device);

// The device's kernel for features of z's type, otherwise `aten`.
template <c10::DeviceType device, class Kernel>
Kernel* kernel_or(Kernel* DeviceKernels::*which, const at::Tensor& z, Kernel* aten) {
  if (z.scalar_type() != at::kFloat) return aten;
  const auto& row = device_kernels(device);
  Kernel* const kernel = row.*which;
  if (kernel != nullptr && (row.run_on == nullptr || row.run_on(z.device().index()))) return kernel;
  warn_of_missing_kernels(device);
  return aten;
}

}  // namespace ipirm::ops

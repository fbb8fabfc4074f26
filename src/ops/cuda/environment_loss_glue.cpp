// environment_loss's kernels with tensors: memory for what they return and need, and the launch.
#include "ops/cuda/environment_loss_launch.h"
#include "ops/cuda/kernels.h"
#include "ops/cuda/runtime.h"
#include "ops/environment_state.h"

namespace ipirm::ops::cuda {
namespace {

using at::Tensor;

// Keeps the contiguous tensors alive whose pointers it hands out.
struct Arguments {
  Arguments(const Tensor& z1_, const Tensor& z2_, const Tensor& environment_, int64_t num_env,
            double temperature, double irm_temperature)
      : z1(z1_.contiguous()),
        z2(z2_.contiguous()),
        environment(environment_.contiguous()),
        inputs{z1.const_data_ptr<float>(),
               z2.const_data_ptr<float>(),
               environment.const_data_ptr<int64_t>(),
               z1.size(0),
               z1.size(1),
               environment.size(0),
               num_env,
               temperature,
               irm_temperature} {
    // Kernels count views, and entries of a group of 8 partitions, in 32 bits.
    constexpr int64_t kMaxBatch = int64_t{1} << 27;
    TORCH_CHECK(z1.size(0) <= kMaxBatch, "environment_loss: at most ", kMaxBatch, " samples");
  }

  Tensor z1, z2, environment;
  EnvironmentLossInputs inputs;
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor> environment_loss_forward_kernels(
    const Tensor& z1, const Tensor& z2, const Tensor& environment, int64_t num_env,
    double temperature, double irm_temperature) {
  const Arguments in(z1, z2, environment, num_env, temperature, irm_temperature);
  auto contrastive = at::empty({environment.size(0), num_env}, z1.options());
  auto penalty = at::empty_like(contrastive);
  const auto shape = environment_state_shape(environment.size(0), num_env, environment.size(1));
  auto state = at::empty(shape, z1.options().dtype(at::kDouble));
  auto scratch = at::empty({environment_loss_forward_scratch(in.inputs)}, z1.options());
  launch_on(z1, "environment_loss", [&](void* stream) {
    return environment_loss_forward(
        in.inputs, contrastive.mutable_data_ptr<float>(), penalty.mutable_data_ptr<float>(),
        state.mutable_data_ptr<double>(), scratch.mutable_data_ptr<float>(), stream);
  });
  return {contrastive, penalty, state};
}

std::tuple<Tensor, Tensor> environment_loss_backward_kernels(
    const Tensor& grad_contrastive, const Tensor& grad_penalty, const Tensor& z1, const Tensor& z2,
    const Tensor& environment, const Tensor& state, int64_t num_env, double temperature,
    double irm_temperature) {
  const Arguments in(z1, z2, environment, num_env, temperature, irm_temperature);
  const auto of_contrastive = grad_contrastive.contiguous(), of_penalty = grad_penalty.contiguous();
  auto grad_z1 = at::empty(z1.sizes(), z1.options()), grad_z2 = at::empty(z2.sizes(), z2.options());
  auto scratch = at::empty({environment_loss_backward_scratch(in.inputs)}, z1.options());
  launch_on(z1, "environment_loss, backward", [&](void* stream) {
    return environment_loss_backward(
        in.inputs, of_contrastive.const_data_ptr<float>(), of_penalty.const_data_ptr<float>(),
        state.const_data_ptr<double>(), grad_z1.mutable_data_ptr<float>(),
        grad_z2.mutable_data_ptr<float>(), scratch.mutable_data_ptr<float>(), stream);
  });
  return {grad_z1, grad_z2};
}

}  // namespace ipirm::ops::cuda

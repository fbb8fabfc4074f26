// environment_loss: its checks, which implementation runs where, and its place in the autograd
// graph.
#include "ipirm/ops/environment_loss.h"

#include <torch/csrc/autograd/custom_function.h>

#include "ops/device_kernels.h"
#include "ops/dispatch.h"
#include "ops/environment_loss_aten.h"
#include "ops/environment_loss_fused.h"
#include "ops/environment_state.h"
#include "ops/inputs.h"

namespace ipirm::ops {
namespace {

using at::Tensor;

void check(const Tensor& z1, const Tensor& z2, const Tensor& environment, int64_t num_env,
           double temperature, double irm_temperature) {
  TORCH_CHECK(z1.dim() == 2 && z1.sizes() == z2.sizes(),
              "environment_loss: z1 and z2 must both be (B, d), found ", z1.sizes(), " and ",
              z2.sizes());
  TORCH_CHECK(z1.size(0) >= 1 && z1.size(1) >= 1,
              "environment_loss: at least one sample and one feature are needed, found ",
              z1.sizes());
  TORCH_CHECK(z1.scalar_type() == at::kFloat || z1.scalar_type() == at::kDouble,
              "environment_loss: floating-point features expected, found ", z1.scalar_type());
  TORCH_CHECK(z2.scalar_type() == z1.scalar_type(),
              "environment_loss: z1 and z2 must have one dtype, found ", z1.scalar_type(), " and ",
              z2.scalar_type());
  TORCH_CHECK(environment.dim() == 2 && environment.size(0) >= 1 &&
                  environment.size(1) == z1.size(0) && environment.scalar_type() == at::kLong,
              "environment_loss: environment must be (P, B) int64 with B = ", z1.size(0),
              ", found ", environment.sizes(), " ", environment.scalar_type());
  TORCH_CHECK(z2.device() == z1.device() && environment.device() == z1.device(),
              "environment_loss: all tensors must be on one device");
  TORCH_CHECK(num_env >= 1, "environment_loss: num_env must be at least 1, found ", num_env);
  TORCH_CHECK(temperature > 0 && irm_temperature > 0,
              "environment_loss: temperatures must be above 0, found ", temperature, " and ",
              irm_temperature);
}

// The two passes below autograd: what is registered as _environment_loss_forward and _backward.
using Forward = EnvironmentLossForward;
using Backward = EnvironmentLossBackward;
const c10::TypedOperatorHandle<Forward>& forward_operator() {
  static const auto op = find_operator<Forward>("ipirm::_environment_loss_forward");
  return op;
}
const c10::TypedOperatorHandle<Backward>& backward_operator() {
  static const auto op = find_operator<Backward>("ipirm::_environment_loss_backward");
  return op;
}

// An implementation on checked arguments, outside autocast.
template <Forward* implementation>
std::tuple<Tensor, Tensor, Tensor> checked(const Tensor& z1, const Tensor& z2,
                                           const Tensor& environment, int64_t num_env,
                                           double temperature, double irm_temperature) {
  const OutsideAutocast outside;
  check(z1, z2, environment, num_env, temperature, irm_temperature);
  return implementation(z1, z2, environment, num_env, temperature, irm_temperature);
}
// The same for the backward pass, whose arguments were checked in the forward one.
template <Backward* implementation>
std::tuple<Tensor, Tensor> outside_autocast(const Tensor& grad_contrastive,
                                            const Tensor& grad_penalty, const Tensor& z1,
                                            const Tensor& z2, const Tensor& environment,
                                            const Tensor& state, int64_t num_env,
                                            double temperature, double irm_temperature) {
  const OutsideAutocast outside;
  return implementation(grad_contrastive, grad_penalty, z1, z2, environment, state, num_env,
                        temperature, irm_temperature);
}

// On the CPU the fused kernels, except where their exponentials could overflow. Both passes ask the
// same question of the same inputs.
std::tuple<Tensor, Tensor, Tensor> forward_on_cpu(const Tensor& z1, const Tensor& z2,
                                                  const Tensor& environment, int64_t num_env,
                                                  double temperature, double irm_temperature) {
  warn_of_norms("environment_loss", z1);
  if (fused::exponents_fit(z1, z2, temperature, irm_temperature)) {
    return fused::environment_loss_forward(z1, z2, environment, num_env, temperature,
                                           irm_temperature);
  }
  return aten::environment_loss_forward(z1, z2, environment, num_env, temperature, irm_temperature,
                                        aten::kCacheBlocks);
}
std::tuple<Tensor, Tensor> backward_on_cpu(const Tensor& grad_contrastive,
                                           const Tensor& grad_penalty, const Tensor& z1,
                                           const Tensor& z2, const Tensor& environment,
                                           const Tensor& state, int64_t num_env, double temperature,
                                           double irm_temperature) {
  if (fused::exponents_fit(z1, z2, temperature, irm_temperature)) {
    return fused::environment_loss_backward(grad_contrastive, grad_penalty, z1, z2, environment,
                                            state, num_env, temperature, irm_temperature);
  }
  return aten::environment_loss_backward(grad_contrastive, grad_penalty, z1, z2, environment,
                                         num_env, temperature, irm_temperature, aten::kCacheBlocks);
}

// The ATen forms with a device's blocks: they are what kernel_or falls back to.
std::tuple<Tensor, Tensor, Tensor> aten_forward(const Tensor& z1, const Tensor& z2,
                                                const Tensor& environment, int64_t num_env,
                                                double temperature, double irm_temperature) {
  return aten::environment_loss_forward(z1, z2, environment, num_env, temperature, irm_temperature,
                                        aten::kDeviceBlocks);
}
std::tuple<Tensor, Tensor> aten_backward(const Tensor& grad_contrastive, const Tensor& grad_penalty,
                                         const Tensor& z1, const Tensor& z2,
                                         const Tensor& environment, const Tensor&, int64_t num_env,
                                         double temperature, double irm_temperature) {
  return aten::environment_loss_backward(grad_contrastive, grad_penalty, z1, z2, environment,
                                         num_env, temperature, irm_temperature,
                                         aten::kDeviceBlocks);
}

template <c10::DeviceType device>
std::tuple<Tensor, Tensor, Tensor> forward_on_device(const Tensor& z1, const Tensor& z2,
                                                     const Tensor& environment, int64_t num_env,
                                                     double temperature, double irm_temperature) {
  const auto kernel =
      kernel_or<device>(&DeviceKernels::environment_loss_forward, z1, &aten_forward);
  return kernel(z1, z2, environment, num_env, temperature, irm_temperature);
}
template <c10::DeviceType device>
std::tuple<Tensor, Tensor> backward_on_device(const Tensor& grad_contrastive,
                                              const Tensor& grad_penalty, const Tensor& z1,
                                              const Tensor& z2, const Tensor& environment,
                                              const Tensor& state, int64_t num_env,
                                              double temperature, double irm_temperature) {
  const auto kernel =
      kernel_or<device>(&DeviceKernels::environment_loss_backward, z1, &aten_backward);
  return kernel(grad_contrastive, grad_penalty, z1, z2, environment, state, num_env, temperature,
                irm_temperature);
}

std::tuple<Tensor, Tensor, Tensor> forward_shapes(const Tensor& z1, const Tensor&,
                                                  const Tensor& environment, int64_t num_env,
                                                  double, double) {
  TORCH_CHECK(environment.dim() == 2, "environment_loss: environment must be (P, B), found ",
              environment.dim(), " dimensions");
  const auto contrastive = z1.new_empty_symint({environment.sym_size(0), c10::SymInt(num_env)});
  const auto state =
      environment_state_shape(environment.sym_size(0), num_env, environment.sym_size(1));
  return {contrastive, at::empty_like(contrastive),
          z1.new_empty_symint(state, z1.options().dtype(at::kDouble))};
}
std::tuple<Tensor, Tensor> backward_shapes(const Tensor&, const Tensor&, const Tensor& z1,
                                           const Tensor& z2, const Tensor&, const Tensor&, int64_t,
                                           double, double) {
  return {at::empty_like(z1), at::empty_like(z2)};
}

// Hands a gradient on that says so when it is differentiated in its turn. Without it, it would
// count as a constant there, and a term of the loss be lost without a word.
struct NoSecondDerivative : torch::autograd::Function<NoSecondDerivative> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext*,
                                                const Tensor& dz1, const Tensor& dz2, const Tensor&,
                                                const Tensor&, const Tensor&, const Tensor&) {
    return {dz1.clone(), dz2.clone()};
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list&) {
    TORCH_CHECK(
        false,
        "environment_loss is differentiable once: its gradient (create_graph=True) can't be "
        "differentiated again. Take .detach() of the gradient where it is used as a value");
  }
};

struct EnvironmentLoss : torch::autograd::Function<EnvironmentLoss> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& z1, const Tensor& z2,
                                                const Tensor& environment, int64_t num_env,
                                                double temperature, double irm_temperature) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [contrastive, penalty, state] =
        forward_operator().call(z1, z2, environment, num_env, temperature, irm_temperature);
    context->save_for_backward({z1, z2, environment, state});
    context->saved_data["num_env"] = num_env;
    context->saved_data["temperature"] = temperature;
    context->saved_data["irm_temperature"] = irm_temperature;
    return {contrastive, penalty};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto compute = [&] {
      at::AutoDispatchBelowADInplaceOrView below;
      return backward_operator().call(grads[0], grads[1], saved[0], saved[1], saved[2], saved[3],
                                      context->saved_data["num_env"].toInt(),
                                      context->saved_data["temperature"].toDouble(),
                                      context->saved_data["irm_temperature"].toDouble());
    };
    const auto [dz1, dz2] = compute();
    if (!at::GradMode::is_enabled()) return {dz1, dz2, {}, {}, {}, {}};
    const auto guarded =
        NoSecondDerivative::apply(dz1, dz2, grads[0], grads[1], saved[0], saved[1]);
    return {guarded[0], guarded[1], {}, {}, {}, {}};
  }
};

std::tuple<Tensor, Tensor> with_graph(const Tensor& z1, const Tensor& z2, const Tensor& environment,
                                      int64_t num_env, double temperature, double irm_temperature) {
  const auto losses = EnvironmentLoss::apply(widened(z1), widened(z2), environment, num_env,
                                             temperature, irm_temperature);
  return {losses[0], losses[1]};
}
// Below autograd, on every device: the forward pass without what it leaves for a backward one.
std::tuple<Tensor, Tensor> losses_alone(const Tensor& z1, const Tensor& z2,
                                        const Tensor& environment, int64_t num_env,
                                        double temperature, double irm_temperature) {
  auto [contrastive, penalty, state] = forward_operator().call(
      widened(z1), widened(z2), environment, num_env, temperature, irm_temperature);
  return {contrastive, penalty};
}

}  // namespace

std::tuple<Tensor, Tensor> environment_loss(const Tensor& z1, const Tensor& z2,
                                            const Tensor& environment, int64_t num_env,
                                            double temperature, double irm_temperature) {
  static const auto op = find_operator<decltype(environment_loss)>("ipirm::environment_loss");
  return op.call(z1, z2, environment, num_env, temperature, irm_temperature);
}

TORCH_LIBRARY_IMPL(ipirm, CPU, m) {
  m.impl("_environment_loss_forward", checked<forward_on_cpu>);
  m.impl("_environment_loss_backward", outside_autocast<backward_on_cpu>);
}
TORCH_LIBRARY_IMPL(ipirm, CUDA, m) {
  m.impl("_environment_loss_forward", checked<forward_on_device<at::kCUDA>>);
  m.impl("_environment_loss_backward", outside_autocast<backward_on_device<at::kCUDA>>);
}
TORCH_LIBRARY_IMPL(ipirm, PrivateUse1, m) {
  m.impl("_environment_loss_forward", checked<forward_on_device<at::kPrivateUse1>>);
  m.impl("_environment_loss_backward", outside_autocast<backward_on_device<at::kPrivateUse1>>);
}
TORCH_LIBRARY_IMPL(ipirm, Meta, m) {
  m.impl("_environment_loss_forward", forward_shapes);
  m.impl("_environment_loss_backward", backward_shapes);
}
TORCH_LIBRARY_IMPL(ipirm, Autograd, m) { m.impl("environment_loss", with_graph); }
TORCH_LIBRARY_IMPL(ipirm, CompositeExplicitAutograd, m) {
  m.impl("environment_loss", losses_alone);
}

}  // namespace ipirm::ops

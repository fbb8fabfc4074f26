// environment_loss: checks, choice of the kernel, and its place in the autograd graph.
#include "ipirm/ops/environment_loss.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "ops/environment_loss_fused.h"
#include "ops/environment_loss_reference.h"
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

// The operators below autograd. state: what backward takes over from forward; zeros where it
// computes everything anew.
std::vector<c10::SymInt> symbolic_state_shape(const Tensor& environment, int64_t num_env) {
  const auto partitions = environment.sym_size(0);
  return {partitions * (num_env + 3), environment.sym_size(1) * 2};
}
std::vector<int64_t> state_shape(const Tensor& environment, int64_t num_env) {
  return {environment.size(0) * (num_env + 3), environment.size(1) * 2};
}
std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& z1, const Tensor& z2,
                                           const Tensor& environment, int64_t num_env,
                                           double temperature, double irm_temperature) {
  const OutsideAutocast outside;
  check(z1, z2, environment, num_env, temperature, irm_temperature);
  warn_of_norms("environment_loss", z1);
  if (z1.is_cpu() && fused::environment_loss_applies(z1, z2, temperature, irm_temperature)) {
    return fused::environment_loss_forward(z1, z2, environment, num_env, temperature,
                                           irm_temperature);
  }
  auto [contrastive, penalty] = reference::environment_loss_forward(z1, z2, environment, num_env,
                                                                    temperature, irm_temperature);
  return {contrastive, penalty,
          at::zeros(state_shape(environment, num_env), z1.options().dtype(at::kDouble))};
}
std::tuple<Tensor, Tensor> backward(const Tensor& grad_contrastive, const Tensor& grad_penalty,
                                    const Tensor& z1, const Tensor& z2, const Tensor& environment,
                                    const Tensor& state, int64_t num_env, double temperature,
                                    double irm_temperature) {
  const OutsideAutocast outside;
  // A sum of exponentials, never 0 where the fused forward pass left it.
  if (state.is_cpu() && *state.const_data_ptr<double>() != 0) {
    return fused::environment_loss_backward(grad_contrastive, grad_penalty, z1, z2, environment,
                                            state, num_env, temperature, irm_temperature);
  }
  return reference::environment_loss_backward(grad_contrastive, grad_penalty, z1, z2, environment,
                                              num_env, temperature, irm_temperature);
}

// The same for shapes alone (FakeTensor, torch.compile).
std::tuple<Tensor, Tensor, Tensor> forward_meta(const Tensor& z1, const Tensor&,
                                                const Tensor& environment, int64_t num_env, double,
                                                double) {
  TORCH_CHECK(environment.dim() == 2, "environment_loss: environment must be (P, B), found ",
              environment.dim(), " dimensions");
  const auto contrastive = z1.new_empty_symint({environment.sym_size(0), c10::SymInt(num_env)},
                                               z1.options().dtype(widened(z1.scalar_type())));
  return {contrastive, at::empty_like(contrastive),
          z1.new_empty_symint(symbolic_state_shape(environment, num_env),
                              z1.options().dtype(at::kDouble))};
}
std::tuple<Tensor, Tensor> backward_meta(const Tensor&, const Tensor&, const Tensor& z1,
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
    static const auto op = c10::Dispatcher::singleton()
                               .findSchemaOrThrow("ipirm::_environment_loss_forward", "")
                               .typed<decltype(ops::forward)>();
    auto [contrastive, penalty, state] =
        op.call(z1, z2, environment, num_env, temperature, irm_temperature);
    context->save_for_backward({z1, z2, environment, state});
    context->saved_data["num_env"] = num_env;
    context->saved_data["temperature"] = temperature;
    context->saved_data["irm_temperature"] = irm_temperature;
    return {contrastive, penalty};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    static const auto op = c10::Dispatcher::singleton()
                               .findSchemaOrThrow("ipirm::_environment_loss_backward", "")
                               .typed<decltype(ops::backward)>();
    const auto compute = [&] {
      at::AutoDispatchBelowADInplaceOrView below;
      return op.call(grads[0], grads[1], saved[0], saved[1], saved[2], saved[3],
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
  const auto out = EnvironmentLoss::apply(widened(z1), widened(z2), environment, num_env,
                                          temperature, irm_temperature);
  return {out[0], out[1]};
}
std::tuple<Tensor, Tensor> without_graph(const Tensor& z1, const Tensor& z2,
                                         const Tensor& environment, int64_t num_env,
                                         double temperature, double irm_temperature) {
  auto [contrastive, penalty, state] =
      forward(widened(z1), widened(z2), environment, num_env, temperature, irm_temperature);
  return {contrastive, penalty};
}
std::tuple<Tensor, Tensor> meta(const Tensor& z1, const Tensor& z2, const Tensor& environment,
                                int64_t num_env, double temperature, double irm_temperature) {
  auto [contrastive, penalty, state] =
      forward_meta(z1, z2, environment, num_env, temperature, irm_temperature);
  return {contrastive, penalty};
}

}  // namespace

std::tuple<Tensor, Tensor> environment_loss(const Tensor& z1, const Tensor& z2,
                                            const Tensor& environment, int64_t num_env,
                                            double temperature, double irm_temperature) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("ipirm::environment_loss", "")
                             .typed<decltype(environment_loss)>();
  return op.call(z1, z2, environment, num_env, temperature, irm_temperature);
}

TORCH_LIBRARY_FRAGMENT(ipirm, m) {
  m.def(
      "environment_loss(Tensor z1, Tensor z2, Tensor environment, int num_env, "
      "float temperature, float irm_temperature) -> (Tensor contrastive, Tensor penalty)");
  m.def(
      "_environment_loss_forward(Tensor z1, Tensor z2, Tensor environment, int num_env, "
      "float temperature, float irm_temperature) -> (Tensor, Tensor, Tensor)");
  m.def(
      "_environment_loss_backward(Tensor grad_contrastive, Tensor grad_penalty, Tensor z1, "
      "Tensor z2, Tensor environment, Tensor state, int num_env, float temperature, "
      "float irm_temperature) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(ipirm, CPU, m) {
  m.impl("environment_loss", without_graph);
  m.impl("_environment_loss_forward", forward);
  m.impl("_environment_loss_backward", backward);
}
TORCH_LIBRARY_IMPL(ipirm, CUDA, m) {
  m.impl("environment_loss", without_graph);
  m.impl("_environment_loss_forward", forward);
  m.impl("_environment_loss_backward", backward);
}
TORCH_LIBRARY_IMPL(ipirm, Meta, m) {
  m.impl("environment_loss", meta);
  m.impl("_environment_loss_forward", forward_meta);
  m.impl("_environment_loss_backward", backward_meta);
}
TORCH_LIBRARY_IMPL(ipirm, Autograd, m) { m.impl("environment_loss", with_graph); }

}  // namespace ipirm::ops

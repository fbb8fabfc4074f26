// Registers the partition risks with PyTorch (METHOD 11): torch.ops.ipirm.* after
// torch.ops.load_library. environment_loss.cpp registers its own.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"
#include "ops/inputs.h"

namespace ipirm::ops {
namespace {

using at::Tensor;
using Risk = std::tuple<Tensor, Tensor, Tensor>;

Risk risk(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
          double irm_temperature, double irm_weight, bool nonorm) {
  return partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm);
}

// Shapes alone, for FakeTensor, torch.compile and the meta device.
Risk shapes(const Tensor& z1, const Tensor& weights) {
  TORCH_CHECK(weights.dim() == 2 && z1.dim() == 2, "ipirm: z1 (n, d) and weights (n, K) expected");
  const auto of_environments = weights.new_empty_symint(
      {weights.sym_size(1)}, weights.options().dtype(widened(weights.scalar_type())));
  return {of_environments, at::empty_like(of_environments), at::empty_like(weights)};
}
Risk risk_meta(const Tensor& z1, const Tensor&, const Tensor& weights, double, double, double,
               bool) {
  return shapes(z1, weights);
}
Risk mixup_meta(const Tensor& z1, const Tensor&, const Tensor& weights, const Tensor&,
                const std::optional<Tensor>&, double, double, bool) {
  return shapes(z1, weights);
}

// The risks bring their gradient along: none flows through their outputs. They go through the
// dispatcher again, so that modes below autograd (FakeTensor) see the call.
template <class Function, class... Arguments>
Risk below_autograd(const char* name, const Arguments&... arguments) {
  at::AutoDispatchBelowADInplaceOrView below;
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>().call(
      arguments...);
}
Risk risk_autograd(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
                   double irm_temperature, double irm_weight, bool nonorm) {
  return below_autograd<decltype(risk)>("ipirm::partition_risk", z1, z2, weights, temperature,
                                        irm_temperature, irm_weight, nonorm);
}
Risk mixup_autograd(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
                    const std::optional<Tensor>& partner, double temperature, double irm_weight,
                    bool nonorm) {
  return below_autograd<decltype(partition_risk_mixup)>("ipirm::partition_risk_mixup", z1, z2,
                                                        weights, lam, partner, temperature,
                                                        irm_weight, nonorm);
}

}  // namespace

TORCH_LIBRARY(ipirm, m) {
  m.def(
      "partition_risk(Tensor z1, Tensor z2, Tensor weights, float temperature, "
      "float irm_temperature, float irm_weight, bool nonorm=False) -> (Tensor contrastive, "
      "Tensor penalty, Tensor grad)");
  m.def(
      "partition_risk_mixup(Tensor z1, Tensor z2, Tensor weights, Tensor lam, Tensor? partner, "
      "float temperature, float irm_weight, bool nonorm=False) -> (Tensor contrastive, "
      "Tensor penalty, Tensor grad)");
  m.def("set_norm_warning(bool enabled) -> ()", set_norm_warning);
}
TORCH_LIBRARY_IMPL(ipirm, CPU, m) {
  m.impl("partition_risk", risk);
  m.impl("partition_risk_mixup", partition_risk_mixup);
}
TORCH_LIBRARY_IMPL(ipirm, CUDA, m) {
  m.impl("partition_risk", risk);
  m.impl("partition_risk_mixup", partition_risk_mixup);
}
TORCH_LIBRARY_IMPL(ipirm, Meta, m) {
  m.impl("partition_risk", risk_meta);
  m.impl("partition_risk_mixup", mixup_meta);
}
TORCH_LIBRARY_IMPL(ipirm, Autograd, m) {
  m.impl("partition_risk", risk_autograd);
  m.impl("partition_risk_mixup", mixup_autograd);
}

}  // namespace ipirm::ops

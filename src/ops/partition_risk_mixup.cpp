// partition_risk_mixup, alone or by a team: its checks, and which implementation runs where.
#include "ipirm/ops/partition_risk_mixup.h"

#include "ops/device_kernels.h"
#include "ops/dispatch.h"
#include "ops/inputs.h"
#include "ops/risk_implementations.h"
#include "ops/risk_shapes.h"
#include "ops/team_class.h"

namespace ipirm::ops {
namespace {

using at::Tensor;
using Risk = std::tuple<Tensor, Tensor, Tensor>;

void check(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
           const std::optional<Tensor>& partner, double temperature, double irm_weight) {
  TORCH_CHECK(z1.dim() == 2 && z1.sizes() == z2.sizes(),
              "partition_risk_mixup: z1 and z2 must both be (n, d), found ", z1.sizes(), " and ",
              z2.sizes());
  const int64_t n = z1.size(0);
  TORCH_CHECK(n >= 2, "partition_risk_mixup: at least 2 samples are needed, found ", n);
  TORCH_CHECK(weights.dim() == 2 && weights.size(0) == n && weights.size(1) >= 1,
              "partition_risk_mixup: weights must be (n, K) with n = ", n, ", found ",
              weights.sizes());
  TORCH_CHECK(lam.dim() == 1 && lam.size(0) == n,
              "partition_risk_mixup: lam must be (n) with n = ", n, ", found ", lam.sizes());
  TORCH_CHECK(z1.scalar_type() == at::kFloat || z1.scalar_type() == at::kDouble,
              "partition_risk_mixup: floating-point features expected, found ", z1.scalar_type());
  TORCH_CHECK(z2.scalar_type() == z1.scalar_type() && weights.scalar_type() == z1.scalar_type() &&
                  lam.scalar_type() == z1.scalar_type(),
              "partition_risk_mixup: z1, z2, weights and lam must have one dtype, found ",
              z1.scalar_type(), ", ", z2.scalar_type(), ", ", weights.scalar_type(), ", ",
              lam.scalar_type());
  TORCH_CHECK(
      z2.device() == z1.device() && weights.device() == z1.device() && lam.device() == z1.device(),
      "partition_risk_mixup: z1, z2, weights and lam must be on one device");
  if (partner) {
    TORCH_CHECK(partner->dim() == 1 && partner->size(0) == n && partner->scalar_type() == at::kLong,
                "partition_risk_mixup: partner must be (n) int64 with n = ", n, ", found ",
                partner->sizes(), " ", partner->scalar_type());
    TORCH_CHECK(partner->device() == z1.device(),
                "partition_risk_mixup: partner must be on the device of z1");
  }
  TORCH_CHECK(temperature > 0, "partition_risk_mixup: temperature must be above 0, found ",
              temperature);
  TORCH_CHECK(irm_weight >= 0, "partition_risk_mixup: irm_weight must not be negative, found ",
              irm_weight);
}

// The implementation on checked arguments of one dtype, outside autocast and without a graph.
template <SharedPartitionRiskMixup* implementation>
Risk shared(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
            const std::optional<Tensor>& partner, double temperature, double irm_weight,
            bool nonorm, const TeamPointer& team) {
  const OutsideAutocast outside;
  at::NoGradGuard no_grad;
  const auto wide_z1 = widened(z1), wide_z2 = widened(z2), wide_weights = widened(weights),
             wide_lam = widened(lam);
  check(wide_z1, wide_z2, wide_weights, wide_lam, partner, temperature, irm_weight);
  const auto [contrastive, penalty, grad] = implementation(
      wide_z1, wide_z2, wide_weights, wide_lam, partner, temperature, irm_weight, nonorm, team);
  return {contrastive, penalty, grad.to(weights.scalar_type())};
}
// The same by one who is alone.
template <SharedPartitionRiskMixup* implementation>
Risk alone(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
           const std::optional<Tensor>& partner, double temperature, double irm_weight,
           bool nonorm) {
  return shared<implementation>(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm,
                                /*team=*/{});
}

Risk on_cpu(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
            const std::optional<Tensor>& partner, double temperature, double irm_weight,
            bool nonorm, const TeamPointer& team) {
  warn_of_norms("partition_risk_mixup", z1);
  return fused::shared_partition_risk_mixup(z1, z2, weights, lam, partner, temperature, irm_weight,
                                            nonorm, team);
}

template <c10::DeviceType device>
Risk on_device(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
               const std::optional<Tensor>& partner, double temperature, double irm_weight,
               bool nonorm, const TeamPointer& team) {
  const auto kernel = kernel_or<device>(&DeviceKernels::partition_risk_mixup, z1,
                                        &aten::shared_partition_risk_mixup);
  return kernel(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm, team);
}

Risk shapes(const Tensor& z1, const Tensor&, const Tensor& weights, const Tensor&,
            const std::optional<Tensor>&, double, double, bool) {
  return risk_shapes(z1, weights);
}

}  // namespace

Risk partition_risk_mixup(const Tensor& z1, const Tensor& z2, const Tensor& weights,
                          const Tensor& lam, const std::optional<Tensor>& partner,
                          double temperature, double irm_weight, bool nonorm) {
  static const auto op =
      find_operator<decltype(partition_risk_mixup)>("ipirm::partition_risk_mixup");
  return op.call(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm);
}

Risk shared_partition_risk_mixup(const Tensor& z1, const Tensor& z2, const Tensor& weights,
                                 const Tensor& lam, const std::optional<Tensor>& partner,
                                 double temperature, double irm_weight, bool nonorm,
                                 const TeamPointer& team) {
  static const auto op =
      find_operator<SharedPartitionRiskMixup>("ipirm::_shared_partition_risk_mixup");
  return op.call(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm, team);
}

namespace {

template <SharedPartitionRiskMixup* implementation>
void register_both(torch::Library& m) {
  know_teams();
  m.impl("partition_risk_mixup", alone<implementation>);
  m.impl("_shared_partition_risk_mixup", shared<implementation>);
}

}  // namespace

TORCH_LIBRARY_IMPL(ipirm, CPU, m) { register_both<on_cpu>(m); }
TORCH_LIBRARY_IMPL(ipirm, CUDA, m) { register_both<on_device<at::kCUDA>>(m); }
TORCH_LIBRARY_IMPL(ipirm, PrivateUse1, m) { register_both<on_device<at::kPrivateUse1>>(m); }
TORCH_LIBRARY_IMPL(ipirm, Meta, m) { m.impl("partition_risk_mixup", shapes); }
TORCH_LIBRARY_IMPL(ipirm, Autograd, m) {
  m.impl("partition_risk_mixup", torch::CppFunction::makeFromBoxedFunction<&without_graph>());
}

}  // namespace ipirm::ops

// partition_risk, alone or by a team: its checks, and which implementation runs where.
#include "ipirm/ops/partition_risk.h"

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

void check(const Tensor& z1, const Tensor& z2, const Tensor& weights,
           const std::optional<Tensor>& index, double temperature, double irm_temperature,
           double irm_weight) {
  TORCH_CHECK(z1.dim() == 2 && z1.sizes() == z2.sizes(),
              "partition_risk: z1 and z2 must both be (n, d), found ", z1.sizes(), " and ",
              z2.sizes());
  TORCH_CHECK(!index || (index->dim() == 1 && index->scalar_type() == at::kLong),
              "partition_risk: index must be (N) int64");
  const int64_t n = index ? index->size(0) : z1.size(0);
  TORCH_CHECK(n >= 2, "partition_risk: at least 2 samples are needed, found ", n);
  TORCH_CHECK(z1.size(1) >= 1, "partition_risk: the features have no columns");
  TORCH_CHECK(weights.dim() == 2 && weights.size(0) == n && weights.size(1) >= 1,
              "partition_risk: weights must be (n, K) with n = ", n, ", found ", weights.sizes());
  TORCH_CHECK(z1.scalar_type() == at::kFloat || z1.scalar_type() == at::kDouble,
              "partition_risk: floating-point features expected, found ", z1.scalar_type());
  TORCH_CHECK(z2.scalar_type() == z1.scalar_type() && weights.scalar_type() == z1.scalar_type(),
              "partition_risk: z1, z2 and weights must have one dtype, found ", z1.scalar_type(),
              ", ", z2.scalar_type(), ", ", weights.scalar_type());
  TORCH_CHECK(z2.device() == z1.device() && weights.device() == z1.device() &&
                  (!index || index->device() == z1.device()),
              "partition_risk: all tensors must be on one device");
  TORCH_CHECK(temperature > 0 && irm_temperature > 0,
              "partition_risk: temperatures must be above 0, found ", temperature, " and ",
              irm_temperature);
  TORCH_CHECK(irm_weight >= 0, "partition_risk: irm_weight must not be negative, found ",
              irm_weight);
}

// The implementation on checked arguments of one dtype, outside autocast and without a graph.
template <SharedPartitionRisk* implementation>
Risk shared(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
            double irm_temperature, double irm_weight, bool nonorm,
            const std::optional<Tensor>& index, const TeamPointer& team) {
  const OutsideAutocast outside;
  at::NoGradGuard no_grad;
  const auto wide_z1 = widened(z1), wide_z2 = widened(z2), wide_weights = widened(weights);
  check(wide_z1, wide_z2, wide_weights, index, temperature, irm_temperature, irm_weight);
  const auto [contrastive, penalty, grad] =
      implementation(wide_z1, wide_z2, wide_weights, temperature, irm_temperature, irm_weight,
                     nonorm, index, team);
  return {contrastive, penalty, grad.to(weights.scalar_type())};
}
// The same by one who is alone.
template <SharedPartitionRisk* implementation>
Risk alone(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
           double irm_temperature, double irm_weight, bool nonorm,
           const std::optional<Tensor>& index) {
  return shared<implementation>(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm,
                                index, /*team=*/{});
}

Risk on_cpu(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
            double irm_temperature, double irm_weight, bool nonorm,
            const std::optional<Tensor>& index, const TeamPointer& team) {
  warn_of_norms("partition_risk", z1);
  return fused::shared_partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight,
                                      nonorm, index, team);
}

template <c10::DeviceType device>
Risk on_device(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
               double irm_temperature, double irm_weight, bool nonorm,
               const std::optional<Tensor>& index, const TeamPointer& team) {
  const auto kernel =
      kernel_or<device>(&DeviceKernels::partition_risk, z1, &aten::shared_partition_risk);
  return kernel(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm, index, team);
}

Risk shapes(const Tensor& z1, const Tensor&, const Tensor& weights, double, double, double, bool,
            const std::optional<Tensor>&) {
  return risk_shapes(z1, weights);
}

}  // namespace

Risk partition_risk(const Tensor& z1, const Tensor& z2, const Tensor& weights, double temperature,
                    double irm_temperature, double irm_weight, bool nonorm,
                    const std::optional<Tensor>& index) {
  static const auto op = find_operator<decltype(partition_risk)>("ipirm::partition_risk");
  return op.call(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm, index);
}

Risk shared_partition_risk(const Tensor& z1, const Tensor& z2, const Tensor& weights,
                           double temperature, double irm_temperature, double irm_weight,
                           bool nonorm, const std::optional<Tensor>& index,
                           const TeamPointer& team) {
  static const auto op = find_operator<SharedPartitionRisk>("ipirm::_shared_partition_risk");
  return op.call(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm, index, team);
}

namespace {

template <SharedPartitionRisk* implementation>
void register_both(torch::Library& m) {
  know_teams();
  m.impl("partition_risk", alone<implementation>);
  m.impl("_shared_partition_risk", shared<implementation>);
}

}  // namespace

TORCH_LIBRARY_IMPL(ipirm, CPU, m) { register_both<on_cpu>(m); }
TORCH_LIBRARY_IMPL(ipirm, CUDA, m) { register_both<on_device<at::kCUDA>>(m); }
TORCH_LIBRARY_IMPL(ipirm, PrivateUse1, m) { register_both<on_device<at::kPrivateUse1>>(m); }
TORCH_LIBRARY_IMPL(ipirm, Meta, m) { m.impl("partition_risk", shapes); }
TORCH_LIBRARY_IMPL(ipirm, Autograd, m) {
  m.impl("partition_risk", torch::CppFunction::makeFromBoxedFunction<&without_graph>());
}

}  // namespace ipirm::ops

// Checks partition_risk's arguments and chooses the kernel.
#include "ipirm/ops/partition_risk.h"

#include "ops/inputs.h"
#include "ops/partition_risk_fused.h"
#include "ops/partition_risk_reference.h"

namespace ipirm::ops {
namespace {

using at::Tensor;

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

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk(const Tensor& z1, const Tensor& z2,
                                                  const Tensor& weights, double temperature,
                                                  double irm_temperature, double irm_weight,
                                                  bool nonorm, const std::optional<Tensor>& index) {
  const OutsideAutocast outside;
  at::NoGradGuard no_grad;
  const auto first = widened(z1), second = widened(z2), shares = widened(weights);
  check(first, second, shares, index, temperature, irm_temperature, irm_weight);
  warn_of_norms("partition_risk", first);
  const auto run = [&] {
    if (z1.is_cpu()) {
      return fused::partition_risk(first, second, shares, index, temperature, irm_temperature,
                                   irm_weight, nonorm);
    }
    const auto chosen = [&](const Tensor& z) { return index ? z.index_select(0, *index) : z; };
    return reference::partition_risk(chosen(first), chosen(second), shares, temperature,
                                     irm_temperature, irm_weight, nonorm);
  };
  const auto [contrastive, penalty, grad] = run();
  return {contrastive, penalty, grad.to(weights.scalar_type())};
}

}  // namespace ipirm::ops

// Checks partition_risk_mixup's arguments and chooses the kernel.
#include "ipirm/ops/partition_risk_mixup.h"

#include "ops/inputs.h"
#include "ops/partition_risk_mixup_fused.h"
#include "ops/partition_risk_mixup_reference.h"

namespace ipirm::ops {
namespace {

using at::Tensor;

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

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk_mixup(const Tensor& z1, const Tensor& z2,
                                                        const Tensor& weights, const Tensor& lam,
                                                        const std::optional<Tensor>& partner,
                                                        double temperature, double irm_weight,
                                                        bool nonorm) {
  const OutsideAutocast outside;
  at::NoGradGuard no_grad;
  const auto first = widened(z1), second = widened(z2), shares = widened(weights),
             mixing = widened(lam);
  check(first, second, shares, mixing, partner, temperature, irm_weight);
  warn_of_norms("partition_risk_mixup", first);
  const auto run = z1.is_cpu() ? fused::partition_risk_mixup : reference::partition_risk_mixup;
  const auto [contrastive, penalty, grad] =
      run(first, second, shares, mixing, partner, temperature, irm_weight, nonorm);
  return {contrastive, penalty, grad.to(weights.scalar_type())};
}

}  // namespace ipirm::ops

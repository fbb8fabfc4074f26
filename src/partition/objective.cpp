// Puts the maximization objective together from the fused risk and the balance term.
#include "ipirm/partition/objective.h"

#include <limits>
#include <tuple>

#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"

namespace ipirm::partition {
namespace {

constexpr double kRelaxedEntropy = 0.6365;  // nats: the entropy of two environments of sizes 2:1
constexpr double kNonormWeight = 0.2;

// log, finite at 0: a hard partition has weights of exactly 0.
torch::Tensor safe_log(const torch::Tensor& p) {
  return p.clamp_min(std::numeric_limits<float>::min()).log();
}

torch::Tensor entropy(const torch::Tensor& p) { return -torch::xlogy(p, p).sum(-1); }

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> mixed_risk(
    const torch::Tensor& z1, const torch::Tensor& z2, const torch::Tensor& weights,
    const RiskOptions& options, const std::optional<torch::Tensor>& rows, const loss::Mix& mix,
    const ops::TeamPointer& team) {
  TORCH_INTERNAL_ASSERT(options.irm_mode == IrmMode::kPenalty);
  const auto chosen = [&](const torch::Tensor& z) { return rows ? z.index_select(0, *rows) : z; };
  const auto partner = mix.partner.defined() ? std::optional(mix.partner) : std::nullopt;
  const auto [t, lambda, nonorm] =
      std::tuple(options.temperature, options.irm_weight, options.balance.nonorm);
  if (!team) {
    return ops::partition_risk_mixup(chosen(z1), chosen(z2), weights, mix.lam, partner, t, lambda,
                                     nonorm);
  }
  return ops::shared_partition_risk_mixup(chosen(z1), chosen(z2), weights, mix.lam, partner, t,
                                          lambda, nonorm, team);
}

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> plain_risk(
    const torch::Tensor& z1, const torch::Tensor& z2, const torch::Tensor& weights,
    const RiskOptions& options, const std::optional<torch::Tensor>& rows,
    const ops::TeamPointer& team) {
  const double lambda = options.irm_mode == IrmMode::kVariance ? 0.0 : options.irm_weight;
  const auto [t, irm_t, nonorm] =
      std::tuple(options.temperature, options.irm_temperature, options.balance.nonorm);
  if (!team) return ops::partition_risk(z1, z2, weights, t, irm_t, lambda, nonorm, rows);
  return ops::shared_partition_risk(z1, z2, weights, t, irm_t, lambda, nonorm, rows, team);
}

}  // namespace

Balance balance(const torch::Tensor& weights, const BalanceOptions& options) {
  if (!options.constrain) return {torch::zeros({}, weights.options()), torch::zeros_like(weights)};
  const auto n = static_cast<double>(weights.size(0));
  const auto mean = weights.mean(0);
  const auto h = entropy(mean);
  // d(-H)/dw_ie = (log mean_e + 1)/n, the same for every row.
  const auto minus_h_grad = ((safe_log(mean) + 1) / n).expand_as(weights);
  if (options.nonorm) {
    return {kNonormWeight * (entropy(weights).mean() - h),
            kNonormWeight * (minus_h_grad - (safe_log(weights) + 1) / n)};
  }
  if (options.constrain_relax) {
    const auto excess = kRelaxedEntropy - h;
    return {excess.clamp_min(0), torch::where(excess > 0, minus_h_grad, 0)};
  }
  return {-h, minus_h_grad};
}

Risk batch_risk(const torch::Tensor& z1, const torch::Tensor& z2, const torch::Tensor& logits,
                const RiskOptions& options, const std::optional<torch::Tensor>& rows,
                const std::optional<loss::Mix>& mix, const ops::TeamPointer& team) {
  torch::NoGradGuard no_grad;
  const auto weights = logits.softmax(1);
  auto [contrastive_e, penalty_e, grad] =
      mix ? mixed_risk(z1, z2, weights, options, rows, *mix, team)
          : plain_risk(z1, z2, weights, options, rows, team);
  Risk out;
  out.contrastive = contrastive_e.mean();
  out.invariance = penalty_e.mean();
  if (options.irm_mode == IrmMode::kVariance) {
    // Environment e's term depends on column e of the weights alone, so that the gradient of any
    // function of the terms is that of their mean with each column scaled by K times the function's
    // derivative.
    out.invariance = contrastive_e.var(/*unbiased=*/true);
    const auto k = static_cast<double>(weights.size(1));
    grad = grad * (1 + options.irm_weight * 2 * k / (k - 1) * (contrastive_e - out.contrastive));
  }
  const auto even = balance(weights, options.balance);
  out.balance = even.value;
  out.risk = out.balance - (out.contrastive + options.irm_weight * out.invariance);
  const auto by_weight = even.grad - grad;
  out.grad = weights *
             (by_weight - (by_weight * weights).sum(1, /*keepdim=*/true));  // through the softmax
  return out;
}

}  // namespace ipirm::partition

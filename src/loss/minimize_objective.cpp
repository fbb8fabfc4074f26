// Puts the minimization objective together from its terms.
#include "ipirm/loss/minimize_objective.h"

#include <algorithm>

#include "ipirm/loss/info_nce.h"
#include "ipirm/ops/environment_loss.h"

namespace ipirm::loss {
namespace {

// The mean over partitions (and environments) of what the environments are penalised by.
torch::Tensor penalty_of(Penalty kind, const torch::Tensor& contrastive_pe,
                         const torch::Tensor& irm_penalty_pe) {
  switch (kind) {
    case Penalty::kIrm:
      return irm_penalty_pe.mean();
    case Penalty::kVrex: {
      // An environment of one sample or none has loss 0 exactly, which is no loss to compare: the
      // variance is over the others.
      const auto here = contrastive_pe.detach().ne(0).to(contrastive_pe.scalar_type());
      const auto num = here.sum(1, /*keepdim=*/true);
      const auto mean = (contrastive_pe * here).sum(1, /*keepdim=*/true) / num.clamp_min(1);
      const auto squares = ((contrastive_pe - mean) * here).square().sum(1, /*keepdim=*/true);
      return (squares / (num - 1).clamp_min(1)).mean();
    }
  }
  TORCH_INTERNAL_ASSERT(false, "a penalty without a formula");
}

}  // namespace

NamedTerms named(const Terms& terms) {
  return {{"loss", terms.loss.detach()},
          {"contrastive", terms.contrastive},
          {"penalty", terms.penalty},
          {"batch_contrastive", terms.batch}};
}

const torch::Tensor& value_of(const NamedTerms& terms, std::string_view name) {
  for (const auto& term : terms)
    if (term.name == name) return term.value;
  TORCH_CHECK(false, "no term is named ", name);
}

Terms combine(const torch::Tensor& contrastive_pe, const torch::Tensor& irm_penalty_pe,
              const torch::Tensor& batch, double penalty_weight, Penalty kind) {
  const auto contrastive = contrastive_pe.mean();
  const auto penalty = penalty_of(kind, contrastive_pe, irm_penalty_pe);
  auto loss = contrastive + penalty_weight * penalty;
  if (batch.defined()) loss = loss + batch;
  return {loss / std::max(penalty_weight, 1.0), contrastive.detach(), penalty.detach(),
          batch.defined() ? batch.detach() : torch::zeros_like(contrastive.detach())};
}

Terms minimize_objective(const torch::Tensor& z1, const torch::Tensor& z2,
                         const torch::Tensor& environment, double penalty_weight,
                         const LossOptions& options) {
  auto [contrastive_pe, penalty_pe] = ops::environment_loss(
      z1, z2, environment, options.num_env, options.temperature, options.irm_temperature);
  if (options.penalty == Penalty::kVrex) {
    // A lone sample's loss is 0 up to rounding alone.
    const auto sizes = torch::one_hot(environment, options.num_env).sum(1);  // (P, K)
    contrastive_pe = torch::where(sizes >= 2, contrastive_pe, 0);
  }
  const auto batch = options.keep_cont ? info_nce(z1, z2, options.temperature) : torch::Tensor();
  return combine(contrastive_pe, penalty_pe, batch, penalty_weight, options.penalty);
}

Terms baseline_objective(const torch::Tensor& z1, const torch::Tensor& z2,
                         const LossOptions& options) {
  const auto loss = options.debiased
                        ? debiased_info_nce(z1, z2, options.temperature, options.tau_plus)
                        : info_nce(z1, z2, options.temperature);
  const auto zero = torch::zeros({}, z1.options());
  return {loss, loss.detach(), zero, zero};
}

}  // namespace ipirm::loss

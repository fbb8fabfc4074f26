// partition_risk_mixup's products as sweeps over the pairs of a mixed with an unmixed view.
#include "ops/risk_implementations.h"

#include <ATen/core/grad_mode.h>

#include "ops/pair_sweep.h"
#include "ops/partition_risk_mixup_closed_form.h"
#include "ops/row_maxima.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

// Takes and gives double; sweeps in T.
template <class T>
class SweepProducts : public MixupProducts {
 public:
  SweepProducts(const Tensor& z1, const Tensor& z2, const std::optional<Tensor>& partner,
                double temperature, Team* team)
      : sweep_(z1, z2, std::nullopt, /*cross=*/true, team), temperature_(temperature) {
    const int64_t n = sweep_.num_samples();
    own = at::tensor(sweep_.positives(), at::kDouble).div_(temperature).unsqueeze(1);
    max = at::zeros({n, 1}, at::kDouble);
    if (partner) {
      const auto partners = z2.index_select(0, *partner).to(at::kDouble);
      other = (z1.to(at::kDouble) * partners).sum(1, /*keepdim=*/true).div_(temperature);
    }
    if (!sweep_.exponents_are_safe(temperature)) {
      shift_ = sweep_.zeros(1);
      auto of_rows = sweep_.of_view(*shift_, 0);
      cross_row_maxima(z1, z2, temperature, of_rows);
      max.copy_(of_rows.t());
    }
  }

  Tensor row_sums(const Tensor& x) override { return product(Term::kE, x, 1); }
  Tensor row_sums_h(const Tensor& x) override { return product(Term::kH, x / temperature_, 1); }
  Tensor column_sums(const Tensor& x) override { return product(Term::kE, x, 0); }
  Tensor column_sums_h(const Tensor& x) override { return product(Term::kH, x / temperature_, 0); }

 private:
  // x (n, K) stands at the views of kind `from` and gives to the others.
  Tensor product(Term term, const Tensor& x, int64_t from) {
    const auto in = sweep_.zeros(x.size(1)), out = sweep_.zeros(x.size(1));
    sweep_.of_view(in, from).copy_(x.t());
    // Rows (views of kind 0) are what exponents are relative to.
    sweep_.multiply(term, temperature_, shift_, /*shift_by_receiver=*/from == 1,
                    {in, in, out, out});
    return sweep_.of_view(out, 1 - from).t().to(at::kDouble);
  }

  PairSweep<T> sweep_;
  double temperature_;
  std::optional<ViewColumns> shift_;
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor> shared_partition_risk_mixup(
    const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
    const std::optional<Tensor>& partner, double temperature, double irm_weight, bool nonorm,
    const TeamPointer& team) {
  const auto run = [&](auto products) {
    const auto [contrastive, penalty, grad] = partition_risk_mixup_closed_form(
        products, weights.to(at::kDouble), lam.to(at::kDouble), partner, irm_weight, nonorm);
    const auto dtype = z1.scalar_type();
    return std::tuple(contrastive.to(dtype), penalty.to(dtype), grad.to(dtype));
  };
  if (z1.scalar_type() == at::kFloat)
    return run(SweepProducts<float>(z1, z2, partner, temperature, team.get()));
  return run(SweepProducts<double>(z1, z2, partner, temperature, team.get()));
}

}  // namespace ipirm::ops::fused

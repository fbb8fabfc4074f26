// partition_risk's products as sweeps over the tiles of all pairs of views.
#include "ops/risk_implementations.h"

#include <ATen/core/grad_mode.h>

#include "ops/pair_products.h"
#include "ops/pair_sweep.h"
#include "ops/partition_risk_closed_form.h"
#include "ops/risk_views.h"
#include "ops/row_maxima.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

struct Features {
  const Tensor &z1, &z2;               // (n, d)
  const std::optional<Tensor>& index;  // (N) the rows that count
};

// Takes and gives float64; sweeps in T.
template <class T>
class SweepProducts final : public PairProducts {
 public:
  // Both must outlive it. Products at several temperatures may share a sweep, one after the other.
  SweepProducts(const Features& features, PairSweep<T>& sweep, double temperature)
      : PairProducts(temperature), features_(features), sweep_(sweep) {}

  RowSums row_sums(const Tensor& x) override {
    if (!sweep_.exponents_are_safe(temperature())) {
      shift_ = sweep_.zeros(1);
      row_maxima(features_.z1, features_.z2, features_.index, temperature(),
                 sweep_.of_view(*shift_, 0), sweep_.of_view(*shift_, 1));
    }
    const auto positive = at::tensor(sweep_.positives(), at::kDouble).div_(temperature());
    const auto max = shift_ ? by_view(*shift_) : at::zeros({1, 1, 1}, at::kDouble);
    return {sums_of_receivers(Term::kE, {x, x}), positive.view({1, 1, -1}), max};
  }
  ByPosition position_sums(const Tensor& x) override {
    const auto in = columns(x), later = zeros_like(in), earlier = zeros_like(in);
    multiply(Term::kH, /*shift_by_receiver=*/false, {in, in, later, earlier});
    return {by_view(later), by_view(earlier)};
  }
  Tensor row_sums_by_position(const ByPosition& x) override {
    return sums_of_receivers(Term::kH, x);
  }
  Tensor transposed_sums(const Tensor& x) override {
    const auto in = columns(x), out = zeros_like(in);
    multiply(Term::kE, /*shift_by_receiver=*/false, {in, in, out, out});
    return by_view(out);
  }

 private:
  // Row sums: m belongs to the receiving row. A column's sample comes before those of later rows.
  Tensor sums_of_receivers(Term term, const ByPosition& x) {
    const auto later = columns(x.later);
    const auto earlier = x.earlier.is_same(x.later) ? later : columns(x.earlier);
    const auto out = zeros_like(later);
    multiply(term, /*shift_by_receiver=*/true, {later, earlier, out, out});
    return by_view(out);
  }
  void multiply(Term term, bool shift_by_receiver, const typename PairSweep<T>::Columns& columns) {
    sweep_.multiply(term, temperature(), shift_, shift_by_receiver, columns);
  }

  // Between (K, 2, N) in float64 and the sweep's own layout in T.
  ViewColumns columns(const Tensor& x) const {
    auto out = sweep_.zeros(x.size(0));
    sweep_.by_view(out).copy_(x);
    return out;
  }
  Tensor by_view(const ViewColumns& columns) const {
    return sweep_.by_view(columns).to(at::kDouble);
  }
  ViewColumns zeros_like(const ViewColumns& columns) const { return sweep_.zeros(columns.size(0)); }

  const Features& features_;
  PairSweep<T>& sweep_;
  std::optional<ViewColumns> shift_;  // m
};

template <class T>
std::tuple<Tensor, Tensor, Tensor> run(const Features& features, const Tensor& weights,
                                       double temperature, double irm_temperature,
                                       double irm_weight, bool nonorm, Team* team) {
  PairSweep<T> sweep(features.z1, features.z2, features.index, /*cross=*/false, team);
  SweepProducts<T> products(features, sweep, temperature);
  SweepProducts<T> irm_products(features, sweep, irm_temperature);
  return partition_risk_closed_form<Loops>(products,
                                           temperature == irm_temperature ? products : irm_products,
                                           weights, irm_weight, nonorm);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> shared_partition_risk(const Tensor& z1, const Tensor& z2,
                                                         const Tensor& weights, double temperature,
                                                         double irm_temperature, double irm_weight,
                                                         bool nonorm,
                                                         const std::optional<Tensor>& index,
                                                         const TeamPointer& team) {
  const auto dtype = z1.scalar_type();
  const auto run_in = dtype == at::kFloat ? run<float> : run<double>;
  const auto [contrastive, penalty, grad] = run_in({z1, z2, index}, weights, temperature,
                                                   irm_temperature, irm_weight, nonorm, team.get());
  return {contrastive.to(dtype), penalty.to(dtype), grad.to(dtype)};
}

}  // namespace ipirm::ops::fused

// partition_risk in closed form, given the products with the pair matrices (pair_products.h has
// the letters and shapes, METHOD 10 the equations).
#include "ops/partition_risk_closed_form.h"

#include "ops/risk_math.h"
#include "ops/risk_views.h"

namespace ipirm::ops {
namespace {

using at::Tensor;

template <class Views>
class ClosedForm {
 public:
  ClosedForm(const Tensor& weights, bool nonorm)
      : n_(weights.size(0)),
        k_(weights.size(1)),
        nonorm_(nonorm),
        weights_(weights.t().contiguous().to(at::kDouble).unsqueeze(1)),
        sum_(2 * Views::sum(weights_)) {
    const double num_views = static_cast<double>(2 * n_);
    const auto per_weight = [&](const auto& sum) { return std::array{inverse_weight(sum)}; };
    per_share_ =
        nonorm ? at::full_like(sum_, 1 / num_views) : Views::map(sum_.sizes(), per_weight, sum_)[0];
    const auto of_sample = [&](const auto& w, const auto& sum, const auto& per_share) {
      const auto share = sample_share(w, sum, per_share, num_views);
      return std::array{share.a, share.c, share.per_negative};
    };
    const auto [a, c, per_negative] =
        Views::map(weights_.sizes(), of_sample, weights_, sum_, per_share_);
    a_ = a;
    c_ = c;
    per_negative_ = per_negative;
  }

  // What the rows know at one temperature.
  struct Rows {
    PairProducts& products;
    PairProducts::RowSums sums;
    Tensor d, share, loss;  // (K, 2, N), as in RowRisk
    Tensor contrastive;     // (K, 1, 1)
  };
  Rows rows(PairProducts& products) const {
    const auto sums = products.row_sums(weights_);
    const auto of_row = [](const auto& a, const auto& c, const auto& sum, const auto& positive,
                           const auto& max) {
      const auto risk = row_risk(RowInput{a, c, sum, positive, max});
      return std::array{risk.d, risk.share, risk.loss, a * risk.loss};
    };
    const auto [d, share, loss, weighted_loss] =
        Views::map(shape(), of_row, a_, c_, sums.sum, sums.positive, sums.max);
    return {products, sums, d, share, loss, Views::sum(weighted_loss)};
  }

  // The gradient by position.
  struct Positions {
    Tensor g0;                      // (K, 1, 1) at the positives' position
    PairProducts::ByPosition g;     // (K, 2, N) R_ij by column j: g at j's position
    PairProducts::ByPosition sums;  // (K, 2, N) the sums over rows that g is made of
    Tensor penalty;                 // (K, 1, 1)
  };
  Positions positions(const Rows& rows) const {
    const double temperature = rows.products.temperature();
    const auto of_row = [&](const auto& a, const auto& c, const auto& sum, const auto& positive,
                            const auto& max, const auto& d, const auto& share, const auto& loss) {
      const RowInput row{a, c, sum, positive, max};
      const RowRisk risk{d, share, loss};
      return std::array{position_weight(row, risk) / temperature, positive_gradient(row, risk)};
    };
    const auto [b, at_positive] =
        Views::map(shape(), of_row, a_, c_, rows.sums.sum, rows.sums.positive, rows.sums.max,
                   rows.d, rows.share, rows.loss);
    const auto sums = rows.products.position_sums(b);
    const auto times_weight = [](const auto& w, const auto& later, const auto& earlier) {
      return std::array{w * later, w * earlier};
    };
    const auto [later, earlier] =
        Views::map(shape(), times_weight, weights_, sums.later, sums.earlier);
    // Column j of the first view stands at position j+1 in rows of later samples and at j in rows
    // of earlier ones; that of the second view at N+j and N+j-1. (Sample 0 has no earlier rows:
    // what is added for it is 0.)
    const auto g = at::zeros({k_, 1, 2 * n_}, weights_.options());
    const auto part = [&](int64_t begin) { return g.narrow(2, begin, n_); };
    g.narrow(2, 0, 1).add_(Views::sum(at_positive));
    part(1).add_(later.narrow(1, 0, 1));
    part(n_).add_(later.narrow(1, 1, 1));
    part(0).add_(earlier.narrow(1, 0, 1));
    part(n_ - 1).add_(earlier.narrow(1, 1, 1));
    return {g.narrow(2, 0, 1),
            {at::cat({part(1), part(n_)}, 1), at::cat({part(0), part(n_ - 1)}, 1)},
            sums,
            Views::sum(g.square())};
  }

  // grad, (K, 2, N) with respect to the views' weights, plus that of alpha * contrastive, at the
  // rows' temperature.
  Tensor add_contrastive(const Tensor& grad, const Rows& rows, double alpha) const {
    const auto none = at::zeros({1, 1, 1}, weights_.options());
    const auto through = gradient_through_rows(rows, alpha, none, none);
    const auto add = [](const auto& before, const auto& direct, const auto& all) {
      return std::array{before + direct + all};
    };
    return Views::map(shape(), add, grad, through.direct, through.of_all)[0];
  }

  // The same of alpha * contrastive + lambda * penalty, both at the rows' temperature.
  Tensor add_both(const Tensor& grad, const Rows& rows, double alpha, double lambda,
                  const Positions& positions) const {
    const double temperature = rows.products.temperature();
    const auto times_weight = [&](const auto& w, const auto& later, const auto& earlier) {
      const auto scale = 2 * lambda * w / temperature;
      return std::array{scale * later, scale * earlier};
    };
    const auto [later, earlier] =
        Views::map(shape(), times_weight, weights_, positions.g.later, positions.g.earlier);
    const auto db = rows.products.row_sums_by_position({later, earlier});
    const auto through = gradient_through_rows(rows, alpha, 2 * lambda * positions.g0, db);
    const auto add = [&](const auto& before, const auto& direct, const auto& all,
                         const auto& later_g, const auto& later_sum, const auto& earlier_g,
                         const auto& earlier_sum) {
      return std::array{before + direct + 2 * lambda * later_g * later_sum +
                        2 * lambda * earlier_g * earlier_sum + all};
    };
    return Views::map(shape(), add, grad, through.direct, through.of_all, positions.g.later,
                      positions.sums.later, positions.g.earlier, positions.sums.earlier)[0];
  }

  // (N, K): the gradients of both views of a sample, over K.
  Tensor by_sample(const Tensor& grad) const {
    const auto both = grad.select(1, 0) + grad.select(1, 1);
    return (both / static_cast<double>(k_)).t().contiguous();
  }

 private:
  std::array<int64_t, 3> shape() const { return {k_, 2, n_}; }

  // What reaches the views' weights through the rows' a, c and D.
  struct ThroughRows {
    Tensor direct;  // (K, 2, N) of the view's own
    Tensor of_all;  // (K, 1, 1) through the environment's sum of weights
  };
  ThroughRows gradient_through_rows(const Rows& rows, double alpha, const Tensor& tau,
                                    const Tensor& db) const {
    const auto of_row = [&](const auto& a, const auto& c, const auto& per_negative, const auto& sum,
                            const auto& positive, const auto& max, const auto& d, const auto& share,
                            const auto& loss, const auto& tau_e, const auto& db_i) {
      const RowInput row{a, c, sum, positive, max};
      const auto gradient = row_gradient(row, RowRisk{d, share, loss}, alpha, tau_e, db_i);
      const auto effect = row_effect(row, gradient, per_negative);
      return std::array{effect.transposed, effect.da, effect.da_a, effect.dw};
    };
    const auto [dd_c, da, da_a, dw] =
        Views::map(shape(), of_row, a_, c_, per_negative_, rows.sums.sum, rows.sums.positive,
                   rows.sums.max, rows.d, rows.share, rows.loss, tau, db);
    const auto through_sums = rows.products.transposed_sums(dd_c);
    const auto combine = [](const auto& sums, const auto& dw_i, const auto& da_i,
                            const auto& per_share) {
      return std::array{sums - 2 * dw_i + da_i * per_share};
    };
    const auto direct = Views::map(shape(), combine, through_sums, dw, da, per_share_)[0];
    const auto of_negatives = Views::sum(dw);
    return {direct, nonorm_ ? of_negatives : of_negatives - Views::sum(da_a) * per_share_};
  }

  int64_t n_, k_;
  bool nonorm_;
  Tensor weights_;       // (K, 1, N)
  Tensor sum_;           // (K, 1, 1) s
  Tensor per_share_;     // (K, 1, 1) 1/s, or 1/M where nonorm
  Tensor a_, c_;         // (K, 1, N)
  Tensor per_negative_;  // (K, 1, N) 1/W_i
};

}  // namespace

template <class Views>
std::tuple<Tensor, Tensor, Tensor> partition_risk_closed_form(PairProducts& products,
                                                              PairProducts& irm_products,
                                                              const Tensor& weights,
                                                              double irm_weight, bool nonorm) {
  const ClosedForm<Views> form(weights, nonorm);
  auto grad = at::zeros({1, 1, 1}, weights.options().dtype(at::kDouble));
  const auto rows = form.rows(products);
  const auto finish = [&](const Tensor& penalty) {
    return std::tuple(rows.contrastive.flatten(), penalty.flatten(), form.by_sample(grad));
  };
  if (&products == &irm_products) {
    const auto positions = form.positions(rows);
    grad = irm_weight == 0 ? form.add_contrastive(grad, rows, 1)
                           : form.add_both(grad, rows, 1, irm_weight, positions);
    return finish(positions.penalty);
  }
  const auto irm_rows = form.rows(irm_products);
  const auto positions = form.positions(irm_rows);
  grad = form.add_contrastive(grad, rows, 1);
  if (irm_weight != 0) grad = form.add_both(grad, irm_rows, 0, irm_weight, positions);
  return finish(positions.penalty);
}

template std::tuple<Tensor, Tensor, Tensor> partition_risk_closed_form<Loops>(PairProducts&,
                                                                              PairProducts&,
                                                                              const Tensor&, double,
                                                                              bool);
template std::tuple<Tensor, Tensor, Tensor> partition_risk_closed_form<WholeTensors>(PairProducts&,
                                                                                     PairProducts&,
                                                                                     const Tensor&,
                                                                                     double, bool);

}  // namespace ipirm::ops

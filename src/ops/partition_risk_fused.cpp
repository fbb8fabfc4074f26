// partition_risk as four sweeps over the pairs: row sums, position sums, their gradient, and that
// of the row sums.
//
// Letters as in METHOD 10: N samples, M = 2N views, K environments, i row view, j column view. What
// a view knows of an environment is kept in double, (K, 2, N); what sweeps read and write is of the
// features' type.
#include "ops/partition_risk_fused.h"

#include <vector>

#include "ops/pair_sweep.h"
#include "ops/risk_math.h"
#include "ops/row_maxima.h"
#include "ops/share_out.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

template <class T>
class Risk {
 public:
  Risk(const Tensor& z1, const Tensor& z2, const Tensor& weights,
       const std::optional<Tensor>& index, bool nonorm)
      : sweep_(z1, z2, index, /*cross=*/false),
        z1_(z1),
        z2_(z2),
        index_(index),
        n_(sweep_.num_samples()),
        k_(weights.size(1)),
        nonorm_(nonorm),
        weights_(weights.t().contiguous().to(at::kDouble)),
        u_(sweep_.zeros(k_)),
        grad_(static_cast<size_t>(k_ * 2 * n_), 0.) {
    for (const int64_t view : {0, 1}) sweep_.of_view(u_, view).copy_(weights_);
    const double* w = weights_.const_data_ptr<double>();
    for (int64_t e = 0; e < k_; ++e) {
      double sum = 0;
      for (int64_t i = 0; i < n_; ++i) sum += w[e * n_ + i];
      sums_.push_back(2 * sum);
    }
  }

  // The rows at one temperature: what a first sweep leaves.
  struct Rows {
    double temperature;
    std::optional<ViewColumns> shift;
    std::vector<RowInput> input;  // (K, 2, N)
    std::vector<RowRisk> risk;
    std::vector<double> contrastive;  // (K)
  };
  Rows rows(double temperature) {
    Rows out{temperature, {}, {}, {}, {}};
    if (!sweep_.exponents_are_safe(temperature)) {
      out.shift = sweep_.zeros(1);
      row_maxima(z1_, z2_, index_, temperature, sweep_.of_view(*out.shift, 0),
                 sweep_.of_view(*out.shift, 1));
    }
    const auto sums = sweep_.zeros(k_);
    sweep_.multiply(Term::kE, temperature, out.shift, /*shift_by_receiver=*/true,
                    {u_, u_, sums, sums});
    out.input.resize(grad_.size());
    out.risk.resize(grad_.size());
    const T* sum = sums.template const_data_ptr<T>();
    const T* max = out.shift ? out.shift->template const_data_ptr<T>() : nullptr;
    for_each_view([&](int64_t e, int64_t view, int64_t i, size_t at) {
      const int64_t place = sweep_.place(view, i);
      out.input[at] = {share(e, i), scale(e, i),
                       static_cast<double>(sum[e * sweep_.padded() + place]),
                       sweep_.positives()[static_cast<size_t>(i)] / temperature,
                       max != nullptr ? static_cast<double>(max[place]) : 0.};
      out.risk[at] = row_risk(out.input[at]);
    });
    for (int64_t e = 0; e < k_; ++e) {
      double sum_e = 0;
      for (size_t at = first(e); at < first(e + 1); ++at)
        sum_e += out.input[at].a * out.risk[at].loss;
      out.contrastive.push_back(sum_e);
    }
    return out;
  }

  // g by position (K, M-1), and the sums over rows of later and of earlier samples that it is made
  // of.
  struct Positions {
    std::vector<double> g;
    ViewColumns before, after;
    std::vector<double> penalty;  // (K)
  };
  Positions positions(const Rows& rows) {
    Positions out;
    const auto b = columns_of([&](size_t at) {
      return position_weight(rows.input[at], rows.risk[at]) / rows.temperature;
    });
    out.before = sweep_.zeros(k_);
    out.after = sweep_.zeros(k_);
    sweep_.multiply(Term::kH, rows.temperature, rows.shift, /*shift_by_receiver=*/false,
                    {b, b, out.before, out.after});
    const int64_t width = 2 * n_;
    out.g.resize(static_cast<size_t>(k_ * width));
    for (int64_t e = 0; e < k_; ++e) {
      double* g = out.g.data() + e * width;
      for (size_t at = first(e); at < first(e + 1); ++at) {
        g[0] += positive_gradient(rows.input[at], rows.risk[at]);
      }
      for (const int64_t view : {0, 1}) {
        for (int64_t i = 0; i < n_; ++i) {
          g[position(view, i, true)] += weight(e, i) * value(out.before, e, view, i);
          // Sample 0 has no earlier ones.
          if (i > 0) g[position(view, i, false)] += weight(e, i) * value(out.after, e, view, i);
        }
      }
      double penalty = 0;
      for (int64_t k = 0; k < width; ++k) penalty += g[k] * g[k];
      out.penalty.push_back(penalty);
    }
    return out;
  }

  // Adds the gradient of alpha * contrastive + lambda * penalty, both at the rows' temperature.
  // positions is read where lambda is not 0.
  void add_gradient(const Rows& rows, double alpha, double lambda, const Positions& positions) {
    auto db = sweep_.zeros(k_);
    if (lambda != 0) {
      const auto along = [&](bool before) {
        return columns_of([&](size_t at) {
          const auto [e, view, i] = of(at);
          const bool none = !before && i == 0;
          return none
                     ? 0.
                     : 2 * lambda * weight(e, i) / rows.temperature *
                           positions.g[static_cast<size_t>(e * 2 * n_ + position(view, i, before))];
        });
      };
      sweep_.multiply(Term::kH, rows.temperature, rows.shift, /*shift_by_receiver=*/true,
                      {along(true), along(false), db, db});
    }
    std::vector<RowGradient> row(grad_.size());
    for_each_view([&](int64_t e, int64_t view, int64_t i, size_t at) {
      const double tau =
          lambda == 0 ? 0 : 2 * lambda * positions.g[static_cast<size_t>(e * 2 * n_)];
      row[at] = row_gradient(rows.input[at], rows.risk[at], alpha, tau, value(db, e, view, i));
    });
    const auto v = columns_of([&](size_t at) { return row[at].dd * rows.input[at].c; });
    const auto through_sums = sweep_.zeros(k_);
    sweep_.multiply(Term::kE, rows.temperature, rows.shift, /*shift_by_receiver=*/false,
                    {v, v, through_sums, through_sums});
    for (int64_t e = 0; e < k_; ++e) {
      double dw_sum = 0, da_sum = 0;  // Σ dW_i, Σ da_i a_i
      const double s = sums_[static_cast<size_t>(e)];
      const double per_share = nonorm_ ? 1 / static_cast<double>(2 * n_) : inverse(s);
      for (size_t at = first(e); at < first(e + 1); ++at) {
        const auto [env, view, i] = of(at);
        const double dw = -row[at].dc * rows.input[at].c * inverse(s - 2 * weight(e, i));
        dw_sum += dw;
        da_sum += row[at].da * rows.input[at].a;
        grad_[at] += value(through_sums, e, view, i) - 2 * dw + row[at].da * per_share;
        if (lambda == 0) continue;
        for (const bool before : {true, false}) {
          if (!before && i == 0) continue;
          grad_[at] += 2 * lambda *
                       positions.g[static_cast<size_t>(e * 2 * n_ + position(view, i, before))] *
                       value(before ? positions.before : positions.after, e, view, i);
        }
      }
      const double ds = dw_sum - (nonorm_ ? 0 : da_sum * inverse(s));
      for (size_t at = first(e); at < first(e + 1); ++at) grad_[at] += ds;
    }
  }

  // (N, K): both views' gradients, divided by K.
  Tensor gradient() const {
    auto out = at::empty({n_, k_}, u_.options());
    T* to = out.template mutable_data_ptr<T>();
    for (int64_t e = 0; e < k_; ++e) {
      for (int64_t i = 0; i < n_; ++i) {
        const size_t at = first(e) + static_cast<size_t>(i);
        const double both = grad_[at] + grad_[at + static_cast<size_t>(n_)];
        to[i * k_ + e] = static_cast<T>(both / static_cast<double>(k_));
      }
    }
    return out;
  }
  Tensor values(const std::vector<double>& of_environments) const {
    return at::tensor(of_environments, at::kDouble).to(u_.scalar_type());
  }

 private:
  size_t first(int64_t e) const { return static_cast<size_t>(e * 2 * n_); }
  std::tuple<int64_t, int64_t, int64_t> of(size_t at) const {
    const auto index = static_cast<int64_t>(at);
    return {index / (2 * n_), index / n_ % 2, index % n_};
  }
  // visit(environment, view, sample, index into (K, 2, N)) for all, in parallel.
  template <class Visit>
  void for_each_view(Visit visit) const {
    share_out_range(static_cast<int64_t>(grad_.size()), 512, [&](int64_t begin, int64_t end) {
      for (auto at = static_cast<size_t>(begin); at < static_cast<size_t>(end); ++at) {
        const auto [e, view, i] = of(at);
        visit(e, view, i, at);
      }
    });
  }
  template <class Value>
  ViewColumns columns_of(Value of_view) const {
    auto out = sweep_.zeros(k_);
    T* to = out.template mutable_data_ptr<T>();
    for_each_view([&](int64_t e, int64_t view, int64_t i, size_t at) {
      to[e * sweep_.padded() + sweep_.place(view, i)] = static_cast<T>(of_view(at));
    });
    return out;
  }
  double value(const ViewColumns& columns, int64_t e, int64_t view, int64_t i) const {
    return static_cast<double>(
        columns.const_data_ptr<T>()[e * sweep_.padded() + sweep_.place(view, i)]);
  }
  double weight(int64_t e, int64_t i) const {
    return weights_.const_data_ptr<double>()[e * n_ + i];
  }
  static double inverse(double of) { return of > kLeastWeight ? 1 / of : 0; }
  // a_i and c_i.
  double share(int64_t e, int64_t i) const {
    return weight(e, i) *
           (nonorm_ ? 1 / static_cast<double>(2 * n_) : inverse(sums_[static_cast<size_t>(e)]));
  }
  double scale(int64_t e, int64_t i) const {
    return static_cast<double>(2 * n_ - 2) *
           inverse(sums_[static_cast<size_t>(e)] - 2 * weight(e, i));
  }
  // Where column (view, sample) stands in rows of later samples (before) and of earlier ones.
  int64_t position(int64_t view, int64_t sample, bool before) const {
    return view == 0 ? sample + (before ? 1 : 0) : n_ + sample - (before ? 0 : 1);
  }

  PairSweep<T> sweep_;
  const Tensor &z1_, &z2_;
  const std::optional<Tensor>& index_;
  int64_t n_, k_;
  bool nonorm_;
  Tensor weights_;            // (K, N) double
  ViewColumns u_;             // weights of the views
  std::vector<double> sums_;  // (K) s
  std::vector<double> grad_;  // (K, 2, N) with respect to u
};

template <class T>
std::tuple<Tensor, Tensor, Tensor> compute(const Tensor& z1, const Tensor& z2,
                                           const Tensor& weights,
                                           const std::optional<Tensor>& index, double temperature,
                                           double irm_temperature, double irm_weight, bool nonorm) {
  Risk<T> risk(z1, z2, weights, index, nonorm);
  const auto rows = risk.rows(temperature);
  std::vector<double> penalty;
  if (temperature == irm_temperature) {
    const auto positions = risk.positions(rows);
    penalty = positions.penalty;
    risk.add_gradient(rows, 1, irm_weight, positions);
  } else {
    const auto irm_rows = risk.rows(irm_temperature);
    const auto positions = risk.positions(irm_rows);
    penalty = positions.penalty;
    risk.add_gradient(rows, 1, 0, positions);
    if (irm_weight != 0) risk.add_gradient(irm_rows, 0, irm_weight, positions);
  }
  return {risk.values(rows.contrastive), risk.values(penalty), risk.gradient()};
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk(const Tensor& z1, const Tensor& z2,
                                                  const Tensor& weights, double temperature,
                                                  double irm_temperature, double irm_weight,
                                                  bool nonorm, const std::optional<Tensor>& index) {
  const auto run = z1.scalar_type() == at::kFloat ? compute<float> : compute<double>;
  return run(z1, z2, weights, index, temperature, irm_temperature, irm_weight, nonorm);
}

}  // namespace ipirm::ops::fused

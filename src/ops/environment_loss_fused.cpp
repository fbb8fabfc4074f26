// environment_loss by the sweeps of partition_risk: an environment is a column of weights 0 and 1.
//
// Letters: B samples, M = 2B views, P partitions, K environments, C = PK columns (partition p's
// environment e is column pK + e); i row view, j column view. With w_i = 1/(2 n_e), D_i the sum of
// row i's exponentials inside its environment, q its softmax, l = S/T' and R_ij = g at the pair's
// position:
//   contrastive = Σ_i w_i (log D_i - l_ip),   g_0 = Σ_i w_i (q_ip - 1) l_ip,
//   g_k = Σ over the (i,j) at position k of w_i q_ij l_ij,   penalty = Σ_k g_k²,
//   d penalty/d l_ij = w_i q_ij (2 R_ij (1 + l_ij) - Q_i) - [j = p(i)] 2 g_0 w_i,
//   Q_i = Σ_j 2 R_ij q_ij l_ij.
#include "ops/environment_loss_fused.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/environment_state.h"
#include "ops/pair_sweep.h"
#include "ops/share_out.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

template <class T>
class Forward {
 public:
  Forward(const Tensor& z1, const Tensor& z2, const Environments& env)
      : env_(env), sweep_(z1, z2, std::nullopt, /*cross=*/false) {
    member_ = columns([](int64_t, int64_t, size_t) { return 1.; });
  }

  // D_i of each partition, (P, M).
  void sums(double temperature, double* out) {
    auto a = sweep_.zeros(env_.p * env_.k);
    sweep_.multiply(Term::kE, temperature, {}, true, {member_, member_, a, a});
    const auto own = exponentials(temperature);
    each_in_parallel([&](int64_t partition, int64_t view, int64_t sample, size_t i) {
      out[partition * env_.views() + view * env_.b + sample] =
          value(a, i, view, sample) + own[static_cast<size_t>(sample)];
    });
  }

  std::vector<double> contrastive(double temperature, const double* sums) const {
    std::vector<double> out(env_.size.size(), 0.);
    each([&](int64_t partition, int64_t view, int64_t sample, size_t i) {
      const double d = sums[partition * env_.views() + view * env_.b + sample];
      out[static_cast<size_t>(env_.column[i])] +=
          env_.weight(i) * (std::log(d) - positive(sample) / temperature);
    });
    return out;
  }

  // g and Q at T' into the state, from its D; the penalties (C).
  std::vector<double> penalty(double temperature, State& state) {
    const auto d = [&](int64_t partition, int64_t view, int64_t sample) {
      return state.irm_sum(partition)[view * env_.b + sample];
    };
    const auto b = columns([&](int64_t view, int64_t sample, size_t i) {
      const auto partition = static_cast<int64_t>(i) / env_.b;
      return env_.weight(i) / d(partition, view, sample) / temperature;
    });
    auto before = sweep_.zeros(env_.p * env_.k), after = sweep_.zeros(env_.p * env_.k);
    sweep_.multiply(Term::kH, temperature, {}, false, {b, b, before, after});
    double* g = state.g();
    const auto own_exp = exponentials(temperature);
    each([&](int64_t partition, int64_t view, int64_t sample, size_t i) {
      const double l = positive(sample) / temperature;
      const double share = own_exp[static_cast<size_t>(sample)] / d(partition, view, sample);
      // An environment of one sample has no negatives: its share is 1.
      g[env_.column[i] * env_.views()] += env_.weight(i) * (share - 1) * l;
      for (const bool is_before : {true, false}) {
        const int64_t place = env_.position(i, view, is_before);
        if (place >= 0 && env_.size_of(i) > 1) {
          g[place] += value(is_before ? before : after, i, view, sample);
        }
      }
    });
    const auto r = [&](bool is_before) {
      return columns([&](int64_t view, int64_t sample, size_t i) {
        const int64_t place = env_.position(i, view, is_before);
        return place < 0 ? 0. : 2 * g[place] / temperature;
      });
    };
    auto sums = sweep_.zeros(env_.p * env_.k);
    sweep_.multiply(Term::kH, temperature, {}, true, {r(true), r(false), sums, sums});
    each_in_parallel([&](int64_t partition, int64_t view, int64_t sample, size_t i) {
      const double l = positive(sample) / temperature;
      const double own =
          2 * g[env_.column[i] * env_.views()] * own_exp[static_cast<size_t>(sample)] * l;
      state.row(partition)[view * env_.b + sample] =
          (value(sums, i, view, sample) + own) / d(partition, view, sample);
    });
    std::vector<double> out(env_.size.size(), 0.);
    for (size_t c = 0; c < out.size(); ++c) {
      for (int64_t k = 0; k < env_.views(); ++k) {
        const double g_k = g[static_cast<int64_t>(c) * env_.views() + k];
        out[c] += g_k * g_k;
      }
    }
    return out;
  }

 private:
  // visit(partition, view, sample, index into (P, B)).
  template <class Visit>
  void each(Visit visit) const {
    for (int64_t partition = 0; partition < env_.p; ++partition) {
      for (int64_t view = 0; view < 2; ++view) {
        for (int64_t sample = 0; sample < env_.b; ++sample) {
          visit(partition, view, sample, env_.index(partition, sample));
        }
      }
    }
  }
  // The same, in any order.
  template <class Visit>
  void each_in_parallel(Visit visit) const {
    share_out_range(env_.p * env_.views(), 512, [&](int64_t begin, int64_t end) {
      for (int64_t place = begin; place < end; ++place) {
        const int64_t partition = place / env_.views(), sample = place % env_.b;
        visit(partition, place / env_.b % 2, sample, env_.index(partition, sample));
      }
    });
  }
  // exp(l_ip), (B).
  std::vector<double> exponentials(double temperature) const {
    std::vector<double> out;
    for (int64_t i = 0; i < env_.b; ++i) out.push_back(std::exp(positive(i) / temperature));
    return out;
  }
  // A value for each view in its own environment's column, 0 in the others.
  template <class Value>
  ViewColumns columns(Value value_of) const {
    auto out = sweep_.zeros(env_.p * env_.k);
    T* to = out.template mutable_data_ptr<T>();
    each_in_parallel([&](int64_t, int64_t view, int64_t sample, size_t i) {
      to[env_.column[i] * sweep_.padded() + sweep_.place(view, sample)] =
          static_cast<T>(value_of(view, sample, i));
    });
    return out;
  }
  double value(const ViewColumns& columns, size_t i, int64_t view, int64_t sample) const {
    return static_cast<double>(
        columns.const_data_ptr<T>()[env_.column[i] * sweep_.padded() + sweep_.place(view, sample)]);
  }
  double positive(int64_t sample) const { return sweep_.positives()[static_cast<size_t>(sample)]; }

  const Environments& env_;
  PairSweep<T> sweep_;
  ViewColumns member_;
};

// The largest |z_i|² of the rows, NaN where there is one. In plain loops: PyTorch's would wake its
// threads.
template <class T>
double largest_square(const Tensor& z) {
  constexpr int64_t kSums = 4;  // sums side by side, so that no addition waits for the one before
  const auto contiguous = z.contiguous();
  const T* row = contiguous.const_data_ptr<T>();
  const int64_t dim = z.size(1);
  double largest = 0;
  for (int64_t i = 0; i < z.size(0); ++i, row += dim) {
    double sums[kSums] = {};
    int64_t k = 0;
    for (; k + kSums <= dim; k += kSums) {
      for (int64_t s = 0; s < kSums; ++s) sums[s] += static_cast<double>(row[k + s]) * row[k + s];
    }
    for (; k < dim; ++k) sums[0] += static_cast<double>(row[k]) * row[k];
    const double square = sums[0] + sums[1] + sums[2] + sums[3];
    if (!(square <= largest)) largest = square;
    if (std::isnan(square)) break;
  }
  return largest;
}

}  // namespace

bool exponents_fit(const Tensor& z1, const Tensor& z2, double temperature, double irm_temperature) {
  const auto largest = [](const Tensor& z) {
    return z.scalar_type() == at::kFloat ? largest_square<float>(z) : largest_square<double>(z);
  };
  const double largest_z1 = largest(z1), largest_z2 = largest(z2);
  // std::max would lose a NaN that stands second.
  const bool take_z2 = largest_z1 < largest_z2 || std::isnan(largest_z2);
  const double bound = take_z2 ? largest_z2 : largest_z1;
  return exponents_are_safe(bound, std::min(temperature, irm_temperature));
}

std::tuple<Tensor, Tensor, Tensor> environment_loss_forward(const Tensor& z1, const Tensor& z2,
                                                            const Tensor& environment,
                                                            int64_t num_env, double temperature,
                                                            double irm_temperature) {
  const Environments env(environment, num_env);
  const auto run = [&](auto forward) {
    State state(State::allocate(env), env);
    forward.sums(irm_temperature, state.irm_sum(0));
    if (temperature == irm_temperature) {
      std::copy(state.irm_sum(0), state.irm_sum(env.p), state.sum(0));
    } else {
      forward.sums(temperature, state.sum(0));
    }
    const auto shape = [&](const std::vector<double>& values) {
      return at::tensor(values, at::kDouble).view({env.p, env.k}).to(z1.scalar_type());
    };
    const auto contrastive = shape(forward.contrastive(temperature, state.sum(0)));
    return std::tuple(contrastive, shape(forward.penalty(irm_temperature, state)), state.tensor);
  };
  if (z1.scalar_type() == at::kFloat) return run(Forward<float>(z1, z2, env));
  return run(Forward<double>(z1, z2, env));
}

}  // namespace ipirm::ops::fused

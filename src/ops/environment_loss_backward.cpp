// The backward pass of environment_loss: the gradient with respect to each pair's logit times the
// views, tile by tile.
//
// Letters as in environment_loss_fused.cpp. The gradient of a pair's logit is a product of two
// columns of numbers a view for each environment, so that its matrix is a product of few
// columns: coefficient_ij = dL/dl_ij + dL/dl_ji, symmetric, and
// dz_i = Σ_j coefficient_ij z_j / T.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "ops/environment_loss_fused.h"
#include "ops/environment_state.h"
#include "ops/pair_kernels.h"
#include "ops/share_out.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

// Numbers a view for each column, (M, C).
struct Factors {
  explicit Factors(const Environments& env)
      : member(at::zeros({env.views(), env.p * env.k}, at::kDouble)),
        contrastive(at::zeros_like(member)),
        penalty(at::zeros_like(member)),
        penalty_row(at::zeros_like(member)),
        before(at::zeros_like(member)),
        after(at::zeros_like(member)),
        positive(at::zeros({env.views()}, at::kDouble)),
        irm_positive(at::zeros({env.views()}, at::kDouble)) {}
  void to(at::ScalarType dtype) {
    for (auto* t : {&member, &contrastive, &penalty, &penalty_row, &before, &after, &positive,
                    &irm_positive}) {
      *t = t->to(dtype);
    }
  }

  Tensor member;                  // 1 in the view's own environments
  Tensor contrastive;             // dL/dcontrastive w_i / D_i at T
  Tensor penalty;                 // dL/dpenalty w_i / D_i at T'
  Tensor penalty_row;             // the same times -Q_i
  Tensor before;                  // 2 R of the view in rows of later samples
  Tensor after;                   // 2 R of the view in rows of earlier samples
  Tensor positive, irm_positive;  // (M) dL/dl_ip at T and at T'
};

Factors make_factors(const Environments& env, State& state, const Tensor& grad_contrastive,
                     const Tensor& grad_penalty, const Tensor& similarity, double temperature,
                     double irm_temperature) {
  Factors out(env);
  const int64_t columns = env.p * env.k, m = env.views();
  const auto alpha = grad_contrastive.to(at::kDouble).contiguous();
  const auto beta = grad_penalty.to(at::kDouble).contiguous();
  const auto s = similarity.to(at::kDouble).contiguous();  // (B) S_ip
  const double *to_contrastive = alpha.const_data_ptr<double>(),
               *to_penalty = beta.const_data_ptr<double>(), *s_ip = s.const_data_ptr<double>(),
               *g = state.g();
  const auto data = [](Tensor& t) { return t.mutable_data_ptr<double>(); };
  // Raw pointers: the loop below runs in parallel.
  double *member = data(out.member), *contrastive = data(out.contrastive),
         *penalty = data(out.penalty), *penalty_row = data(out.penalty_row),
         *before = data(out.before), *after = data(out.after), *positive = data(out.positive),
         *irm_positive = data(out.irm_positive);
  share_out_range(m, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t view = i / env.b, sample = i % env.b;
      const double l = s_ip[sample] / temperature, irm_l = s_ip[sample] / irm_temperature;
      const double own = std::exp(l), irm_own = std::exp(irm_l);
      for (int64_t partition = 0; partition < env.p; ++partition) {
        const size_t entry = env.index(partition, sample);
        const int64_t c = env.column[entry], to = i * columns + c;
        if (env.size_of(entry) < 2) continue;  // no risk, no gradient
        const double w = env.weight(entry), d = state.sum(partition)[i],
                     irm_d = state.irm_sum(partition)[i], q_sum = state.row(partition)[i];
        member[to] = 1;
        contrastive[to] = to_contrastive[c] * w / d;
        penalty[to] = to_penalty[c] * w / irm_d;
        penalty_row[to] = -penalty[to] * q_sum;
        before[to] = 2 * g[env.position(entry, view, true)];
        const int64_t place = env.position(entry, view, false);
        if (place >= 0) after[to] = 2 * g[place];
        const double g_0 = g[c * m];
        positive[i] += to_contrastive[c] * w * (own / d - 1);
        irm_positive[i] +=
            to_penalty[c] * w * (irm_own / irm_d * (2 * g_0 * (1 + irm_l) - q_sum) - 2 * g_0);
      }
    }
  });
  return out;
}

// The tiles of one temperature's gradient: E∘(A + (1 + l)∘W) times the views.
template <class T>
class Gradient {
 public:
  Gradient(const Tensor& z1, const Tensor& z2)
      : kernels_(best_pair_kernels<T>()),
        n_(z1.size(0)),
        dim_(z1.size(1)),
        blocks_((n_ + kBlock - 1) / kBlock),
        width_((dim_ + kernels_.column_panel - 1) / kernels_.column_panel * kernels_.column_panel) {
    const Tensor z[] = {z1.contiguous(), z2.contiguous()};
    const T* source[] = {z[0].template const_data_ptr<T>(), z[1].template const_data_ptr<T>()};
    const auto row_of = [&](int64_t view, int64_t sample) { return source[view] + sample * dim_; };
    const auto options = z1.options().requires_grad(false);
    views_ = at::empty({2 * blocks_ * kBlock, width_}, options);
    out_ = at::empty({2, blocks_ * kBlock, width_}, options);
    T *views = views_.template mutable_data_ptr<T>(), *out = out_.template mutable_data_ptr<T>();
    each_view([&](int64_t place, int64_t view, int64_t sample) {
      std::fill_n(out + place * width_, width_, T{0});
      std::fill_n(views + place * width_, width_, T{0});
      if (sample < n_) std::copy_n(row_of(view, sample), dim_, views + place * width_);
    });
    rows_ = panels(kernels_.row_panel, dim_, row_of);
    columns_ = panels(kernels_.column_panel, dim_, row_of);
  }

  // Pairs (a, a'), (M, F) each: A = a a'ᵀ. later, earlier: those of W for rows of later samples
  // than the column's and of earlier ones.
  using Pair = std::pair<Tensor, Tensor>;
  void add(double temperature, const Pair& a, const std::optional<std::pair<Pair, Pair>>& w) {
    TileGradient<T> task{};
    task.dim = dim_;
    task.scale = static_cast<T>(1 / (temperature * std::log(2.)));
    task.inverse_temperature = static_cast<T>(1 / temperature);
    task.num_factors = a.first.size(1);
    task.width = width_;
    std::vector<Tensor> held;  // the packed factors
    const auto row = [&](const Tensor& t) { return packed(t, kernels_.row_panel, held); };
    const auto column = [&](const Tensor& t) { return packed(t, kernels_.column_panel, held); };
    task.row_a = row(a.first / temperature);
    task.column_a = column(a.second);
    if (w) {
      task.row_later = row(w->first.first / temperature);
      task.column_later = column(w->first.second);
      task.row_earlier = row(w->second.first / temperature);
      task.column_earlier = column(w->second.second);
    }
    share_out(2 * blocks_, [&](int64_t block) { add_block(block, task); });
  }

  Tensor of_view(int64_t view) const {
    return out_.select(0, view).narrow(0, 0, n_).narrow(1, 0, dim_);
  }

 private:
  // visit(place, view, sample) for the places of both views' blocks; in padding sample >= n_.
  template <class Visit>
  void each_view(Visit visit) const {
    share_out(2 * blocks_, [&](int64_t block) {
      for (int64_t place = block * kBlock; place < (block + 1) * kBlock; ++place) {
        visit(place, block / blocks_, place % (blocks_ * kBlock));
      }
    });
  }
  // (padded, F) in panels of `panel` views, zeros in padding; row(view, sample): its F numbers.
  template <class Row>
  Tensor panels(int64_t panel, int64_t numbers, Row row) const {
    auto out = at::empty({2 * blocks_ * kBlock, numbers}, views_.options());
    T* const all = out.template mutable_data_ptr<T>();
    each_view([&](int64_t place, int64_t view, int64_t sample) {
      const T* from = sample < n_ ? row(view, sample) : nullptr;
      T* const to = all + place / panel * panel * numbers + place % panel;
      for (int64_t k = 0; k < numbers; ++k) to[k * panel] = from != nullptr ? from[k] : T{0};
    });
    return out;
  }
  // The same of (M, F), kept in `held`.
  const T* packed(const Tensor& of_views, int64_t panel, std::vector<Tensor>& held) const {
    const auto contiguous = of_views.contiguous();
    const T* const from = contiguous.const_data_ptr<T>();
    const int64_t numbers = of_views.size(1);
    held.push_back(panels(panel, numbers, [&](int64_t view, int64_t sample) {
      return from + (view * n_ + sample) * numbers;
    }));
    return held.back().const_data_ptr<T>();
  }

  void add_block(int64_t row_block, TileGradient<T> task) const {
    const int64_t row = row_block * kBlock;
    const auto move = [&](const T*& pointer, int64_t views) {
      if (pointer != nullptr) pointer += views * task.num_factors;
    };
    for (auto* pointer : {&task.row_a, &task.row_later, &task.row_earlier}) move(*pointer, row);
    task.rows = rows_.const_data_ptr<T>() + row * dim_;
    task.out = out_.mutable_data_ptr<T>() + row * width_;
    for (int64_t column_block = 0; column_block < 2 * blocks_; ++column_block) {
      task.columns = columns_.const_data_ptr<T>() + column_block * kBlock * dim_;
      task.column_views = views_.const_data_ptr<T>() + column_block * kBlock * width_;
      const int64_t row_sample = row_block % blocks_, column_sample = column_block % blocks_;
      task.later = column_sample <= row_sample;
      task.earlier = row_sample <= column_sample;
      task.num_columns = std::min(kBlock, n_ - column_sample * kBlock);
      kernels_.gradient(task);
      for (auto* pointer : {&task.column_a, &task.column_later, &task.column_earlier}) {
        move(*pointer, kBlock);
      }
    }
  }

  const PairKernels<T>& kernels_;
  int64_t n_, dim_, blocks_, width_;
  Tensor views_, out_, rows_, columns_;
};

}  // namespace

std::tuple<Tensor, Tensor> environment_loss_backward(const Tensor& grad_contrastive,
                                                     const Tensor& grad_penalty, const Tensor& z1,
                                                     const Tensor& z2, const Tensor& environment,
                                                     const Tensor& state_tensor, int64_t num_env,
                                                     double temperature, double irm_temperature) {
  at::NoGradGuard no_grad;
  const Environments env(environment, num_env);
  State state(state_tensor, env);
  auto f = make_factors(env, state, grad_contrastive, grad_penalty, (z1 * z2).sum(1), temperature,
                        irm_temperature);
  f.to(z1.scalar_type());
  const auto beside = [](const Tensor& a, const Tensor& b) { return at::cat({a, b}, 1); };
  // a_i b_j + b_i a_j as one product of factors.
  const auto symmetric = [&](const Tensor& a, const Tensor& b) {
    return std::pair(beside(a, b), beside(b, a));
  };
  const auto w = std::pair(std::pair(beside(f.penalty, f.after), beside(f.before, f.penalty)),
                           std::pair(beside(f.penalty, f.before), beside(f.after, f.penalty)));
  const auto run = [&](auto gradient) {
    if (temperature == irm_temperature) {
      gradient.add(temperature, symmetric(f.contrastive + f.penalty_row, f.member), w);
    } else {
      gradient.add(temperature, symmetric(f.contrastive, f.member), std::nullopt);
      gradient.add(irm_temperature, symmetric(f.penalty_row, f.member), w);
    }
    const auto own = f.positive / temperature + f.irm_positive / irm_temperature;
    const int64_t b = env.b;
    const auto both = (own.slice(0, 0, b) + own.slice(0, b)).unsqueeze(1);  // dL/dl_ip + dL/dl_pi
    return std::tuple(gradient.of_view(0) + both * z2, gradient.of_view(1) + both * z1);
  };
  if (z1.scalar_type() == at::kFloat) return run(Gradient<float>(z1, z2));
  return run(Gradient<double>(z1, z2));
}

}  // namespace ipirm::ops::fused

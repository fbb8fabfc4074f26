// The backward pass of environment_loss: the gradient with respect to each pair's logit, block of
// rows by block of rows, times the views.
//
// Letters as in environment_loss_fused.cpp. The gradient of a pair's logit is a product of two
// columns of numbers a view for each environment, so that its matrix over a block of rows is a
// matrix product of few columns: coefficient_ij = dL/dl_ij + dL/dl_ji, symmetric, and
// dz_i = Σ_j coefficient_ij z_j / T.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "ops/environment_loss_fused.h"
#include "ops/environment_state.h"

namespace ipirm::ops::fused {
namespace {

using at::Tensor;

constexpr int64_t kBlockBytes = int64_t{1} << 20;  // a block of rows stays in the cache

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
  Tensor after;                   // and of earlier ones
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
  for (int64_t partition = 0; partition < env.p; ++partition) {
    for (int64_t i = 0; i < m; ++i) {
      const int64_t view = i / env.b, sample = i % env.b;
      const size_t at = env.at(partition, sample);
      const int64_t c = env.column[at], to = i * columns + c;
      if (env.size_at(at) < 2) continue;  // no risk, no gradient
      const double w = env.weight(at), d = state.sum(partition)[i],
                   irm_d = state.irm_sum(partition)[i], q_sum = state.row(partition)[i];
      const double l = s_ip[sample] / temperature, irm_l = s_ip[sample] / irm_temperature;
      data(out.member)[to] = 1;
      data(out.contrastive)[to] = to_contrastive[c] * w / d;
      data(out.penalty)[to] = to_penalty[c] * w / irm_d;
      data(out.penalty_row)[to] = -to_penalty[c] * w / irm_d * q_sum;
      for (const bool before : {true, false}) {
        const int64_t place = env.position(at, view, before);
        if (place >= 0) data(before ? out.before : out.after)[to] = 2 * g[place];
      }
      const double g_0 = g[c * m], share = std::exp(l) / d, irm_share = std::exp(irm_l) / irm_d;
      data(out.positive)[i] += to_contrastive[c] * w * (share - 1);
      data(out.irm_positive)[i] +=
          to_penalty[c] * w * (irm_share * (2 * g_0 * (1 + irm_l) - q_sum) - 2 * g_0);
    }
  }
  return out;
}

// a_i·b_j + b_i·a_j for rows [begin, end) and all columns j.
Tensor symmetric(const Tensor& a, const Tensor& b, int64_t begin, int64_t end) {
  return at::mm(at::cat({a, b}, 1).slice(0, begin, end), at::cat({b, a}, 1).t());
}

}  // namespace

std::tuple<Tensor, Tensor> environment_loss_backward(const Tensor& grad_contrastive,
                                                     const Tensor& grad_penalty, const Tensor& z1,
                                                     const Tensor& z2, const Tensor& environment,
                                                     const Tensor& state_tensor, int64_t num_env,
                                                     double temperature, double irm_temperature) {
  at::NoGradGuard no_grad;
  const Environments env(environment, num_env);
  State state(state_tensor, env);
  const auto z = at::cat({z1, z2});
  auto f = make_factors(env, state, grad_contrastive, grad_penalty, (z1 * z2).sum(1), temperature,
                        irm_temperature);
  f.to(z.scalar_type());
  const int64_t m = env.views(), b = env.b;
  auto dz = at::empty_like(z);
  const auto sample = at::arange(b).repeat(2);
  const int64_t rows = std::clamp<int64_t>(kBlockBytes / (m * z.element_size()), 1, m);
  // Logits at a temperature, and their exponentials without those of a sample with itself.
  const auto logits = [&](const Tensor& s, double t) { return s / t; };
  const auto exponentials = [&](const Tensor& l, int64_t begin, int64_t end) {
    auto e = l.exp();
    e.diagonal(begin).zero_();
    // The positives: view 2 of the first rows, view 1 of the last.
    if (begin < b) e.slice(0, 0, std::min(end, b) - begin).diagonal(begin + b).zero_();
    if (end > b)
      e.slice(0, std::max(b - begin, int64_t{0})).diagonal(std::max(begin - b, int64_t{0})).zero_();
    return e;
  };
  for (int64_t begin = 0; begin < m; begin += rows) {
    const int64_t end = std::min(begin + rows, m);
    const auto s = at::mm(z.slice(0, begin, end), z.t());
    const auto later = sample.slice(0, begin, end).unsqueeze(1) > sample.unsqueeze(0);
    const auto of_penalty = [&](const Tensor& l) {
      const auto row_later = at::mm(at::cat({f.penalty, f.after}, 1).slice(0, begin, end),
                                    at::cat({f.before, f.penalty}, 1).t());
      const auto row_earlier = at::mm(at::cat({f.penalty, f.before}, 1).slice(0, begin, end),
                                      at::cat({f.after, f.penalty}, 1).t());
      return at::where(later, row_later, row_earlier).mul_(l + 1);
    };
    const auto l = logits(s, temperature);
    Tensor coefficient;
    if (temperature == irm_temperature) {
      coefficient = of_penalty(l)
                        .add_(symmetric(f.contrastive + f.penalty_row, f.member, begin, end))
                        .mul_(exponentials(l, begin, end))
                        .div_(temperature);
    } else {
      const auto irm_l = logits(s, irm_temperature);
      coefficient = of_penalty(irm_l)
                        .add_(symmetric(f.penalty_row, f.member, begin, end))
                        .mul_(exponentials(irm_l, begin, end))
                        .div_(irm_temperature);
      coefficient.add_(symmetric(f.contrastive, f.member, begin, end)
                           .mul_(exponentials(l, begin, end))
                           .div_(temperature));
    }
    auto to = dz.slice(0, begin, end);
    at::mm_out(to, coefficient, z);
  }
  const auto own = f.positive / temperature + f.irm_positive / irm_temperature;
  const auto both = (own.slice(0, 0, b) + own.slice(0, b)).unsqueeze(1);  // dL/dl_ip + dL/dl_pi
  return {dz.slice(0, 0, b) + both * z2, dz.slice(0, b) + both * z1};
}

}  // namespace ipirm::ops::fused

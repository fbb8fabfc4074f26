// partition_risk_mixup in closed form, given the products with the pair matrices
// (mixup_products.h).
//
// Letters: n samples, K environments, i row (mixed view), j and k columns (unmixed view), p(i) the
// partner of i; w weights, s their sum over an environment, λ the mixing coefficients, μ the
// penalty's weight. Exponentials are taken relative to their row's maximum m_i, which cancels
// wherever they meet:
//   E_ij = exp(l_ij - m_i) for j != i and 0 at j = i,  x_i = exp(l_ii - m_i),  H = E∘l,
//   W_i = s - w_i,  c_i = (n-1)/W_i,  A = E w,  D = x + c∘A,  q_ii = x_i/D_i,
//   q_ij = c_i w_j E_ij/D_i.
// Both forms are contrastive = Σ_i a_i f_i with f_i = -t_ii log q_ii - t_ip log q_ip:
//   offline  a_i = λ_i w_i/s (nonorm λ_i w_i/n), t_ii = 1, t_ip = 0
//   online   a_i = 1/n (nonorm s/n²),            t_ii = λ_i, t_ip = 1-λ_i (p(i) = i: 1 and 0)
// and, with b_i = a_i c_i/D_i, g_k = w_k Σ_i b_i H_ik + a_k q_kk l_kk - Σ_i a_i t_ik l_ik.
#include "ops/partition_risk_mixup_closed_form.h"

#include <limits>

#include "ops/risk_math.h"

namespace ipirm::ops {
namespace {

using at::Tensor;

struct Batch {
  Tensor w;            // (n, K)
  Tensor s;            // (1, K)
  Tensor weighty;      // (1, K) bool: the environment has weight
  Tensor others;       // (n, K) W_i
  Tensor c;            // (n, K) 0 where a row's other columns have no weight
  Tensor a;            // (n, K) 0 in an environment without weight
  Tensor lam;          // (n, 1)
  Tensor own_share;    // (n, 1) t_ii
  Tensor other_share;  // (n, 1) t_ip; undefined offline, like the next
  Tensor partner;      // (n) p(i)
  bool nonorm;
  double n() const { return static_cast<double>(w.size(0)); }
  bool online() const { return partner.defined(); }
};

// What the sums over a row's columns give.
struct Rows {
  Tensor max;      // (n, 1) m_i
  Tensor own;      // (n, 1) l_ii
  Tensor other;    // (n, 1) l_ip; undefined offline
  Tensor sum;      // (n, K) A_i
  Tensor d;        // (n, K) D_i
  Tensor q_own;    // (n, K) q_ii
  Tensor q_scale;  // (n, K) c_i/D_i
};

Batch make_batch(const Tensor& weights, const Tensor& lam, const std::optional<Tensor>& partner,
                 bool nonorm) {
  Batch batch;
  batch.w = weights;
  batch.nonorm = nonorm;
  const double n = batch.n();
  // In float64: where one sample has nearly all the weight, the others' sum would drown in
  // rounding.
  const auto exact = weights.to(at::kDouble);
  const auto sum = exact.sum(0, /*keepdim=*/true);
  batch.s = sum.to(weights.scalar_type());
  batch.weighty = batch.s > kLeastWeight;
  batch.others = (sum - exact).to(weights.scalar_type());
  batch.c = at::where(batch.others > kLeastWeight, (n - 1) / batch.others, 0);
  batch.lam = lam.unsqueeze(1);
  if (partner) {
    batch.partner = *partner;
    const auto alone = (*partner == at::arange(weights.size(0), partner->options())).unsqueeze(1);
    batch.other_share = (1 - batch.lam).masked_fill(alone, 0);
    batch.own_share = batch.lam.masked_fill(alone, 1);
    const auto each = nonorm ? batch.s / (n * n) : at::full_like(batch.s, 1 / n);
    batch.a = at::where(batch.weighty, each, 0).expand_as(weights);
  } else {
    batch.own_share = at::ones_like(batch.lam);
    batch.a = at::where(batch.weighty,
                        batch.lam * weights / (nonorm ? at::full_like(batch.s, n) : batch.s), 0);
  }
  return batch;
}

Rows make_rows(const Batch& batch, MixupProducts& products) {
  Rows rows{products.max, products.own, products.other, products.row_sums(batch.w), {}, {}, {}};
  const auto x = (rows.own - rows.max).exp();
  // A row that has neither weight beside i nor an exponential of note at i would have D = 0.
  const double least = batch.w.scalar_type() == at::kDouble ? std::numeric_limits<double>::min()
                                                            : std::numeric_limits<float>::min();
  rows.d = (x + batch.c * rows.sum).clamp_min_(least);
  rows.q_own = x / rows.d;
  rows.q_scale = batch.c / rows.d;
  return rows;
}

// ŵ_ip, (n, K).
Tensor partner_weights(const Batch& batch) {
  return batch.w.index_select(0, batch.partner) * batch.c;
}

// f_i, (n, K).
Tensor row_losses(const Batch& batch, const Rows& rows) {
  auto loss = rows.d.log() + batch.own_share * (rows.max - rows.own);
  if (!batch.online()) return loss;
  const auto log_weight = partner_weights(batch).clamp_min_(kLeastWeight).log_();
  return loss.add_(batch.other_share * (rows.max - rows.other - log_weight));
}

// Sums by partner of what the rows give to theirs, (n, K). On every device in the rows' order:
// several may have one partner, and index_add_ would let a GPU add in any.
Tensor sums_by_partner(const Batch& batch, const Tensor& given) {
  const auto order = batch.partner.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const auto places = at::arange(batch.partner.size(0) + 1, batch.partner.options());
  const auto ends = at::searchsorted(batch.partner.index_select(0, order), places);
  return at::segment_reduce(given.index_select(0, order), "sum", /*lengths=*/std::nullopt,
                            /*indices=*/std::nullopt, /*offsets=*/ends, /*axis=*/0,
                            /*unsafe=*/true, /*initial=*/0);
}

// g by column and the sums Σ_i b_i H_ik in it, both (n, K).
struct Columns {
  Tensor g, sum;
};

Columns column_gradient(const Batch& batch, const Rows& rows, MixupProducts& products) {
  Columns out;
  out.sum = products.column_sums_h(batch.a * rows.q_scale);
  out.g = batch.w * out.sum + batch.a * (rows.q_own - batch.own_share) * rows.own;
  if (batch.online()) {
    out.g.sub_(sums_by_partner(batch, batch.a * batch.other_share * rows.other));
  }
  return out;
}

// What reaches the weights of an environment through W_i (dw_i = dW_i by row) and through the
// row's weight in the mean (da_i by row), (n, K) or (1, K).
Tensor through_sums(const Batch& batch, const Tensor& dw, const Tensor& da) {
  const double n = batch.n();
  auto grad = dw.sum(0, /*keepdim=*/true) - dw;
  if (batch.online()) {
    if (batch.nonorm) grad.add_(da.sum(0, /*keepdim=*/true) / (n * n));
  } else if (batch.nonorm) {
    grad.add_(da * batch.lam / n);
  } else {
    grad.add_((da * batch.lam - (da * batch.a).sum(0, /*keepdim=*/true)) / batch.s);
  }
  return at::where(batch.weighty, grad, 0);
}

// Gradient (n, K) of contrastive + μ penalty with respect to w.
Tensor gradient(const Batch& batch, const Rows& rows, const Columns& columns, double mu,
                MixupProducts& products) {
  const auto a_over_d = batch.a / rows.d;
  auto grad = at::zeros(batch.w.sizes(), batch.w.options());
  auto da = row_losses(batch, rows);
  auto dd = a_over_d.clone();
  auto dc = at::zeros_like(grad);
  if (mu != 0) {
    const auto r = 2 * mu * columns.g;  // dpenalty/dg
    da.add_(r * (rows.q_own - batch.own_share) * rows.own);
    if (batch.online()) {
      da.sub_(r.index_select(0, batch.partner) * batch.other_share * rows.other);
    }
    dd.sub_(r * rows.q_own * rows.own * a_over_d);
    grad.add_(r * columns.sum);
    const auto db = products.row_sums_h(batch.w * r);  // Σ_k H_ik w_k r_k
    da.add_(db * rows.q_scale);
    dd.sub_(db * rows.q_scale * a_over_d);
    dc.add_(db * a_over_d);
  }
  grad.add_(products.column_sums(dd * batch.c));
  dc.add_(dd * rows.sum);
  auto dw = at::where(batch.others > kLeastWeight, -dc * batch.c / batch.others, 0);
  if (batch.online()) {
    // -log ŵ_ip = log W_i - log w_p + a constant.
    const auto counted = partner_weights(batch) > kLeastWeight;
    const auto pull = batch.a * batch.other_share;
    dw.add_(at::where(counted, pull / batch.others, 0));
    const auto push = at::where(counted, pull / batch.w.index_select(0, batch.partner), 0);
    grad.sub_(sums_by_partner(batch, push));
  }
  return grad.add_(through_sums(batch, dw, da));
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk_mixup_closed_form(
    MixupProducts& products, const Tensor& weights, const Tensor& lam,
    const std::optional<Tensor>& partner, double irm_weight, bool nonorm) {
  const auto batch = make_batch(weights, lam, partner, nonorm);
  const auto rows = make_rows(batch, products);
  const auto contrastive = (batch.a * row_losses(batch, rows)).sum(0);
  const auto columns = column_gradient(batch, rows, products);
  const auto grad = gradient(batch, rows, columns, irm_weight, products);
  return {contrastive, columns.g.square().sum(0), grad / static_cast<double>(weights.size(1))};
}

}  // namespace ipirm::ops

// partition_risk in closed form with ATen operations, block of rows by block of rows.
//
// Letters: N samples, M = 2N views, K environments, i row view, j column view, r = i mod N its
// sample, p(i) the other view of r; T temperature. All symbols are those of METHOD 10. Exponentials
// are taken relative to their row's maximum m_i: E, D and A below carry the factor exp(-m_i), which
// cancels wherever they meet.
#include "ops/partition_risk_aten.h"

#include <algorithm>

#include "ops/risk_math.h"
#include "ops/row_blocks.h"

namespace ipirm::ops::aten {
namespace {

using at::Tensor;

constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;
constexpr int64_t kBlockBuffers = 4;  // logits, E, H and one temporary

// Everything that does not depend on the temperature.
struct Batch {
  Tensor z;           // (M, d)
  Tensor similarity;  // (M, M) z zᵀ where it fits into the workspace; otherwise each pass computes
                      // it anew
  Tensor u;  // (M, K) weights of the views
  Tensor s;  // (K) their sum
  Tensor w;  // (M, K) W_i = s - 2u_i, weight of the negatives
  Tensor c;  // (M, K) (M-2)/W_i; 0 where a row's negatives have no weight
  Tensor a;  // (M, K) weight of the row in the mean; 0 in an environment without weight
  bool nonorm;
  int64_t m() const { return z.size(0); }
  int64_t n() const { return z.size(0) / 2; }
};

// Rows [begin, end) of one view against all columns. Positives and the diagonal are 0 in e and h.
struct Block {
  int64_t begin, end;
  Tensor e;  // (rows, M) E_ij
  Tensor h;  // (rows, M) E_ij l_ij
};

// What a first pass over the rows leaves, at one temperature.
struct Rows {
  Tensor max;  // (M, 1) m_i
  Tensor lp;   // (M, 1) l_ip
  Tensor ep;   // (M, 1) exp(l_ip - m_i)
  Tensor sum;  // (M, K) A_i
  Tensor d;    // (M, K) D_i
};

Batch make_batch(const Tensor& z1, const Tensor& z2, const Tensor& weights, bool nonorm) {
  Batch batch;
  batch.z = at::cat({z1, z2});
  batch.u = at::cat({weights, weights});
  batch.s = batch.u.sum(0);
  batch.w = batch.s - 2 * batch.u;
  if (batch.m() * batch.m() * batch.z.element_size() <= kWorkspaceBytes) {
    batch.similarity = at::mm(batch.z, batch.z.t());
  }
  const auto m = static_cast<double>(batch.m());
  batch.c = at::where(batch.w > kLeastWeight, (m - 2) / batch.w, 0);
  batch.a = nonorm ? batch.u / m : at::where(batch.s > kLeastWeight, batch.u / batch.s, 0);
  batch.nonorm = nonorm;
  return batch;
}

// Calls visit(begin, end) on ranges of rows that cover 0..M-1 and never straddle the two views.
template <class Visit>
void for_each_block(const Batch& batch, Visit visit) {
  const int64_t rows =
      rows_of_block(batch.m() * batch.z.element_size() * kBlockBuffers, kDeviceBlocks, batch.n());
  for (int64_t view = 0; view < 2; ++view) {
    for (int64_t begin = 0; begin < batch.n(); begin += rows) {
      visit(view * batch.n() + begin, view * batch.n() + std::min(begin + rows, batch.n()));
    }
  }
}

// The entries (i, i) of a block's rows, or those (i, p(i)).
Tensor own_entries(const Tensor& block, int64_t begin, int64_t end) {
  return block.narrow(1, begin, end - begin).diagonal();
}
Tensor positive_entries(const Tensor& block, int64_t begin, int64_t end, int64_t n) {
  return own_entries(block, begin < n ? begin + n : begin - n, begin < n ? end + n : end - n);
}

Tensor logits(const Batch& batch, int64_t begin, int64_t end, double temperature) {
  if (batch.similarity.defined()) return batch.similarity.slice(0, begin, end) / temperature;
  return at::mm(batch.z.slice(0, begin, end), batch.z.t()).mul_(1.0 / temperature);
}

Block make_block(const Batch& batch, const Rows& rows, int64_t begin, int64_t end,
                 double temperature) {
  Block block{begin, end, {}, logits(batch, begin, end, temperature)};
  own_entries(block.h, begin, end)
      .copy_(rows.max.slice(0, begin, end).squeeze(1));  // keeps exp finite; zeroed below
  block.e = (block.h - rows.max.slice(0, begin, end)).exp_();
  own_entries(block.e, begin, end).zero_();
  positive_entries(block.e, begin, end, batch.n()).zero_();
  block.h.mul_(block.e);
  return block;
}

Rows row_statistics(const Batch& batch, double temperature) {
  Rows rows;
  const auto shape = batch.z.options();
  rows.max = at::empty({batch.m(), 1}, shape);
  rows.lp = at::empty({batch.m(), 1}, shape);
  rows.sum = at::empty_like(batch.u);
  for_each_block(batch, [&](int64_t begin, int64_t end) {
    auto l = logits(batch, begin, end, temperature);
    own_entries(l, begin, end).fill_(-std::numeric_limits<double>::infinity());
    auto positive = positive_entries(l, begin, end, batch.n());
    auto max = rows.max.slice(0, begin, end);
    max.copy_(l.amax(1, /*keepdim=*/true));
    rows.lp.slice(0, begin, end).copy_(positive.unsqueeze(1));
    positive.fill_(-std::numeric_limits<double>::infinity());
    rows.sum.slice(0, begin, end).copy_(at::mm(l.sub_(max).exp_(), batch.u));
  });
  rows.ep = (rows.lp - rows.max).exp();
  rows.d = rows.ep + batch.c * rows.sum;
  return rows;
}

// log D_i - l_ip, (M, K).
Tensor row_losses(const Rows& rows) { return rows.d.log() + (rows.max - rows.lp); }

// Sums over a block's rows i of b_i H_ij, (M, K), apart for the columns j whose sample comes before
// the row's (added to `before`) and after it (to `after`): at those two, j stands at different
// positions of row i (METHOD 10).
void add_position_sums(const Batch& batch, const Block& block, const Tensor& b,
                       const Tensor& before, const Tensor& after) {
  const int64_t n = batch.n(), first = block.begin % n, last = first + block.end - block.begin;
  const auto rows = b.slice(0, block.begin, block.end);
  for (int64_t view = 0; view < 2; ++view) {
    const auto columns = [&](const Tensor& of, int64_t from, int64_t to, int64_t dim) {
      return of.slice(dim, view * n + from, view * n + to);
    };
    columns(before, 0, first, 0).addmm_(columns(block.h, 0, first, 1).t(), rows);
    columns(after, last, n, 0).addmm_(columns(block.h, last, n, 1).t(), rows);
    const auto diagonal = columns(block.h, first, last, 1);
    columns(before, first, last, 0).addmm_(diagonal.tril(-1).t(), rows);
    columns(after, first, last, 0).addmm_(diagonal.triu(1).t(), rows);
  }
}

// Σ_j H_ij R_ij u_j for a block's rows, (rows, K): the same split with the roles of rows and
// columns exchanged. before, after: (M, K) R∘u for columns whose sample comes before or after the
// row's.
Tensor weighted_row_sums(const Batch& batch, const Block& block, const Tensor& before,
                         const Tensor& after) {
  const int64_t n = batch.n(), first = block.begin % n, last = first + block.end - block.begin;
  auto sums = at::zeros({block.end - block.begin, batch.u.size(1)}, batch.u.options());
  for (int64_t view = 0; view < 2; ++view) {
    const auto columns = [&](const Tensor& of, int64_t from, int64_t to, int64_t dim) {
      return of.slice(dim, view * n + from, view * n + to);
    };
    sums.addmm_(columns(block.h, 0, first, 1), columns(before, 0, first, 0));
    sums.addmm_(columns(block.h, last, n, 1), columns(after, last, n, 0));
    const auto diagonal = columns(block.h, first, last, 1);
    sums.addmm_(diagonal.tril(-1), columns(before, first, last, 0));
    sums.addmm_(diagonal.triu(1), columns(after, first, last, 0));
  }
  return sums;
}

// g by position, (M-1, K), and what it is made of.
struct Positions {
  Tensor g0;  // (1, K)
  Tensor before,
      after;  // (M, K) R_ij by column j: g at j's position in rows of later and of earlier samples
  Tensor sum_before, sum_after;  // (M, K) Σ_i b_i H_ij over those rows
  Tensor penalty;                // (K)
};

Positions position_gradient(const Batch& batch, const Rows& rows, double temperature) {
  const int64_t m = batch.m(), n = batch.n();
  Positions out;
  out.sum_before = at::zeros_like(batch.u);
  out.sum_after = at::zeros_like(batch.u);
  const auto b = batch.a * batch.c / rows.d;
  for_each_block(batch, [&](int64_t begin, int64_t end) {
    add_position_sums(batch, make_block(batch, rows, begin, end, temperature), b, out.sum_before,
                      out.sum_after);
  });
  // Column j of the first view stands at j+1 in rows of later samples and at j in rows of earlier
  // ones; column n+j of the second view at n+j and n+j-1. (Sample 0 has no earlier ones: what is
  // added at position 0 is zero.)
  auto g = at::zeros({m, batch.u.size(1)}, batch.u.options());
  const auto before = batch.u * out.sum_before, after = batch.u * out.sum_after;
  g.slice(0, 1, n + 1).add_(before.slice(0, 0, n));
  g.slice(0, n, m).add_(before.slice(0, n, m));
  g.slice(0, 0, n).add_(after.slice(0, 0, n));
  g.slice(0, n - 1, m - 1).add_(after.slice(0, n, m));
  out.g0 = (batch.a * (rows.ep / rows.d - 1) * rows.lp).sum(0, /*keepdim=*/true);
  g.slice(0, 0, 1).add_(out.g0);
  out.penalty = g.square().sum(0);
  out.before = at::cat({g.slice(0, 1, n + 1), g.slice(0, n, m)});
  out.after = at::cat({g.slice(0, 0, n), g.slice(0, n - 1, m - 1)});
  return out;
}

// Gradient (M, K) with respect to u of alpha * contrastive + lambda * penalty, both at
// `temperature`. positions is only read where lambda is not 0.
Tensor gradient(const Batch& batch, const Rows& rows, double temperature, double alpha,
                double lambda, const Positions& positions) {
  const auto& [z, similarity, u, s, w, c, a, nonorm] = batch;
  auto grad = at::zeros_like(u);
  auto da = alpha * row_losses(rows);
  auto dd = alpha * a / rows.d;
  auto dc = at::zeros_like(u);
  Tensor before, after;
  if (lambda != 0) {
    const auto share = rows.ep / rows.d, tau = 2 * lambda * positions.g0;
    da.add_(tau * (share - 1) * rows.lp);
    dd.sub_(tau * a * share * rows.lp / rows.d);
    grad.add_(positions.before * positions.sum_before + positions.after * positions.sum_after,
              2 * lambda);
    before = 2 * lambda * positions.before * u;
    after = 2 * lambda * positions.after * u;
  }
  for_each_block(batch, [&](int64_t begin, int64_t end) {
    const auto block = make_block(batch, rows, begin, end, temperature);
    const auto rows_of = [&](const Tensor& t) { return t.slice(0, begin, end); };
    if (lambda != 0) {
      const auto db = weighted_row_sums(batch, block, before, after);
      const auto d = rows_of(rows.d);
      rows_of(da).add_(db * rows_of(c) / d);
      rows_of(dd).sub_(db * rows_of(a) * rows_of(c) / (d * d));
      rows_of(dc).add_(db * rows_of(a) / d);
    }
    grad.addmm_(block.e.t(), rows_of(dd) * rows_of(c));
  });
  dc.add_(dd * rows.sum);
  const auto dw = at::where(w > kLeastWeight, -dc * c / w, 0);
  grad.sub_(dw, 2);
  if (nonorm) return grad.add_(da, 1 / static_cast<double>(batch.m())).add_(dw.sum(0));
  const auto weighty = s > kLeastWeight;
  const auto ds = dw.sum(0) - at::where(weighty, (da * a).sum(0) / s, 0);
  return grad.add_(at::where(weighty, da / s, 0)).add_(ds);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk(const Tensor& z1, const Tensor& z2,
                                                  const Tensor& weights, double temperature,
                                                  double irm_temperature, double irm_weight,
                                                  bool nonorm, const std::optional<Tensor>& index) {
  at::NoGradGuard no_grad;
  const auto chosen = [&](const Tensor& z) { return index ? z.index_select(0, *index) : z; };
  const auto batch = make_batch(chosen(z1), chosen(z2), weights, nonorm);
  const auto rows = row_statistics(batch, temperature);
  const auto contrastive = (batch.a * row_losses(rows)).sum(0);
  Tensor grad, penalty;
  if (temperature == irm_temperature) {
    const auto positions = position_gradient(batch, rows, temperature);
    penalty = positions.penalty;
    grad = gradient(batch, rows, temperature, 1, irm_weight, positions);
  } else {
    const auto irm_rows = row_statistics(batch, irm_temperature);
    const auto positions = position_gradient(batch, irm_rows, irm_temperature);
    penalty = positions.penalty;
    grad = gradient(batch, rows, temperature, 1, 0, positions);
    if (irm_weight != 0)
      grad.add_(gradient(batch, irm_rows, irm_temperature, 0, irm_weight, positions));
  }
  const int64_t n = batch.n();
  grad = (grad.slice(0, 0, n) + grad.slice(0, n, 2 * n)).div_(static_cast<double>(weights.size(1)));
  return {contrastive, penalty, grad};
}

}  // namespace ipirm::ops::aten

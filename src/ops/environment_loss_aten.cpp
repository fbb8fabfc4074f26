// environment_loss and its gradient in closed form with ATen operations, block of rows by block of
// rows.
//
// Letters: B samples, M = 2B views, K environments, P partitions; i row view, j column view, p(i)
// the positive of i, S = z zᵀ, l = S/T. For one partition and environment e of n_e samples,
// w_i = 1/(2 n_e), q_i the softmax of row i's logits inside e (i itself left out) and R_ij = g at
// the position of j in row i:
//   d contrastive/d l_ij = w_i (q_ij - [j = p(i)])
//   d penalty/d l_ij     = w_i (q_ij (2 R_ij (1 + l_ij) - Q_i) - 2 g_0 [j = p(i)]),
//                          Q_i = Σ_j 2 R_ij q_ij l_ij,
// the first at T, the second at T'. With C = dloss/dS, dz = (C + Cᵀ) z. The blocks of S are shared
// by all partitions.
#include "ops/environment_loss_aten.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/environment_state.h"
#include "ops/row_blocks.h"

namespace ipirm::ops::aten {
namespace {

using at::Tensor;

constexpr int64_t kBlockBuffers = 10;  // S, C, l and q at two temperatures, R, masks, temporaries

struct Inputs {
  Tensor z;  // (M, d)
  int64_t num_env;
  double temperature, irm_temperature;
  BlockLimits limits;
  int64_t m() const { return z.size(0); }
  int64_t batch() const { return z.size(0) / 2; }
};

// One partition's environments and, after a first pass over the rows, their terms.
struct Partition {
  Tensor label;       // (M) int64, the view's environment
  Tensor member;      // (K, M) 1 where the view belongs to the environment
  Tensor row_weight;  // (M) w_i
  // (M) flat indices into g (K, M): column j's position in rows of later samples than its own, and
  // in rows of earlier ones.
  Tensor before, after;
  Tensor row_loss;     // (M) log Σ_j exp(l_ij) - l_ip at T
  Tensor log_sum;      // (M, 1) log Σ_j exp(l_ij) at T
  Tensor irm_log_sum;  // (M, 1) the same at T'
  Tensor row_g0;       // (M) w_i (q_ip - 1) l_ip at T'
  // (M) Σ_i w_i q_ij l_ij at T' over rows of later samples than the column's, and over rows of
  // earlier ones.
  Tensor sum_before, sum_after;
};

// Rows [begin, end) of S, none of which straddles the two views.
struct Block {
  int64_t begin, end;
  Tensor s;        // (rows, M)
  Tensor later;    // (rows, M) bool: the row's sample comes after the column's
  Tensor earlier;  // (rows, M) bool: the row's sample comes before the column's
};

Partition make_partition(const Inputs& in, const Tensor& environment) {
  const auto options = in.z.options();
  const int64_t m = in.m();
  Partition out;
  out.label = environment.repeat(2);
  const auto member = at::arange(in.num_env, environment.options()).unsqueeze(1) ==
                      environment.unsqueeze(0);                                   // (K, B)
  const auto count = member.sum(1);                                               // (K)
  const auto rank = member.cumsum(1).gather(0, environment.unsqueeze(0))[0] - 1;  // (B)
  const auto size = count.index_select(0, environment);                           // (B)
  const auto base = environment * m;
  out.member = member.repeat({1, 2}).to(in.z.scalar_type());
  out.row_weight = (2 * size).repeat(2).to(in.z.scalar_type()).reciprocal();
  // Positions as in METHOD 10, with the environment's size for N: a column of the first view stands
  // at rank+1 in rows of later samples and at rank in rows of earlier ones, one of the second view
  // at size+rank and size+rank-1.
  out.before = at::cat({base + rank + 1, base + size + rank});
  out.after = at::cat({base + rank, base + size + rank - 1});
  for (auto* rows : {&out.row_loss, &out.row_g0}) *rows = at::empty({m}, options);
  for (auto* rows : {&out.log_sum, &out.irm_log_sum}) *rows = at::empty({m, 1}, options);
  for (auto* columns : {&out.sum_before, &out.sum_after}) *columns = at::zeros({m}, options);
  return out;
}

// Calls visit(block) on blocks that cover all rows.
template <class Visit>
void for_each_block(const Inputs& in, Visit visit) {
  const int64_t n = in.batch();
  const int64_t rows = rows_of_block(in.m() * in.z.element_size() * kBlockBuffers, in.limits, n);
  const auto sample = at::arange(n, in.z.options().dtype(at::kLong)).repeat(2);
  for (int64_t view = 0; view < 2; ++view) {
    for (int64_t begin = 0; begin < n; begin += rows) {
      Block block{view * n + begin, view * n + std::min(begin + rows, n), {}, {}, {}};
      block.s = at::mm(in.z.slice(0, block.begin, block.end), in.z.t());
      const auto row_sample = sample.slice(0, block.begin, block.end).unsqueeze(1);
      block.later = row_sample > sample;
      block.earlier = row_sample < sample;
      visit(block);
    }
  }
}

// The entries (i, i) of a block's rows, or those (i, p(i)).
Tensor own_entries(const Block& block, const Tensor& matrix) {
  return matrix.narrow(1, block.begin, block.end - block.begin).diagonal();
}
Tensor positive_entries(const Inputs& in, const Block& block, const Tensor& matrix) {
  const int64_t n = in.batch();
  return matrix
      .narrow(1, block.begin < n ? block.begin + n : block.begin - n, block.end - block.begin)
      .diagonal();
}

// (rows, M) bool: j is no logit of row i (another environment, or i itself).
Tensor left_out(const Block& block, const Partition& partition) {
  auto other = partition.label.slice(0, block.begin, block.end).unsqueeze(1) != partition.label;
  own_entries(block, other).fill_(true);
  return other;
}

Tensor log_sums(const Tensor& l, const Tensor& other) {
  return l.masked_fill(other, -std::numeric_limits<double>::infinity())
      .logsumexp(1, /*keepdim=*/true);
}

// q (rows, M), 0 where left out. (An entry left out may well exceed its row's log sum: it is
// masked before the exponential.)
Tensor softmax(const Tensor& l, const Tensor& log_sum, const Tensor& other) {
  return (l - log_sum).masked_fill_(other, -std::numeric_limits<double>::infinity()).exp_();
}

// A block's share of what a first pass leaves. `irm_l` is l where the temperatures are equal.
void add_block(const Inputs& in, const Block& block, const Tensor& l, const Tensor& irm_l,
               Partition& partition) {
  const auto rows_of = [&](const Tensor& t) { return t.slice(0, block.begin, block.end); };
  const auto other = left_out(block, partition);
  const auto log_sum = log_sums(l, other);
  const auto irm_log_sum = irm_l.is_same(l) ? log_sum : log_sums(irm_l, other);
  rows_of(partition.log_sum).copy_(log_sum);
  rows_of(partition.irm_log_sum).copy_(irm_log_sum);
  rows_of(partition.row_loss).copy_(log_sum.squeeze(1) - positive_entries(in, block, l));

  const auto irm_positive = positive_entries(in, block, irm_l);
  const auto share = (irm_positive - irm_log_sum.squeeze(1)).exp_();  // q_ip
  const auto row_weight = rows_of(partition.row_weight);
  rows_of(partition.row_g0).copy_((share - 1) * irm_positive * row_weight);
  auto terms = softmax(irm_l, irm_log_sum, other).mul_(irm_l);
  // The positive is neither earlier nor later than its row.
  partition.sum_before.addmv_(terms.masked_fill(block.later.logical_not(), 0).t(), row_weight);
  partition.sum_after.addmv_(terms.masked_fill_(block.earlier.logical_not(), 0).t(), row_weight);
}

std::vector<Partition> make_partitions(const Inputs& in, const Tensor& environment) {
  std::vector<Partition> partitions;
  for (const auto& of_sample : environment.unbind(0)) {
    partitions.push_back(make_partition(in, of_sample));
  }
  for_each_block(in, [&](const Block& block) {
    const auto l = block.s / in.temperature;
    const auto irm_l = in.irm_temperature == in.temperature ? l : block.s / in.irm_temperature;
    for (auto& partition : partitions) add_block(in, block, l, irm_l, partition);
  });
  return partitions;
}

// g by environment and position, (K, M); 0 beyond an environment's positions.
Tensor position_gradient(const Inputs& in, const Partition& partition) {
  auto g = at::zeros({in.num_env * in.m()}, in.z.options());
  // Two columns share a place where one of them adds 0 (no sample is later than the last, none
  // earlier than the first): the order in which a GPU adds them changes no bit.
  g.index_add_(0, partition.before, partition.sum_before);
  g.index_add_(0, partition.after, partition.sum_after);
  g = g.view({in.num_env, in.m()});
  g.select(1, 0).add_(at::mv(partition.member, partition.row_g0));
  return g;
}

// What the backward pass needs of one partition, by view.
struct Factors {
  Tensor contrastive;    // (M, 1) dloss/dcontrastive of the row's environment times w_i/T
  Tensor penalty;        // (M, 1) dloss/dpenalty of the row's environment times w_i/T'
  Tensor g0;             // (M)
  Tensor before, after;  // (M) 2 R_ij by column j in rows of later and of earlier samples
};

Factors make_factors(const Inputs& in, const Partition& partition, const Tensor& grad_contrastive,
                     const Tensor& grad_penalty) {
  const auto of_row = [&](const Tensor& by_environment, double temperature) {
    return (by_environment.index_select(0, partition.label) * partition.row_weight / temperature)
        .unsqueeze(1);
  };
  const auto g = position_gradient(in, partition);
  const auto twice = 2 * g.flatten();
  return {of_row(grad_contrastive, in.temperature), of_row(grad_penalty, in.irm_temperature),
          g.select(1, 0).index_select(0, partition.label), twice.index_select(0, partition.before),
          twice.index_select(0, partition.after)};
}

// Adds one partition's share of dloss/dS (rows, M) for a block.
void add_gradient(const Inputs& in, const Block& block, const Tensor& l, const Tensor& irm_l,
                  const Partition& partition, const Factors& factors, const Tensor& grad) {
  const auto rows_of = [&](const Tensor& t) { return t.slice(0, block.begin, block.end); };
  const auto other = left_out(block, partition);
  const auto contrastive = rows_of(factors.contrastive), penalty = rows_of(factors.penalty);
  const auto g0 = rows_of(factors.g0);
  const auto q = softmax(l, rows_of(partition.log_sum), other);
  auto r = at::where(block.later, factors.before, factors.after);  // 2 R_ij
  positive_entries(in, block, r).copy_(2 * g0);
  const auto irm_q = irm_l.is_same(l) ? q : softmax(irm_l, rows_of(partition.irm_log_sum), other);
  const auto row_sum = (r * irm_q).mul_(irm_l).sum(1, /*keepdim=*/true);  // Q_i
  r.mul_(irm_l + 1).sub_(row_sum).mul_(irm_q);
  grad.addcmul_(r, penalty).addcmul_(q, contrastive);
  positive_entries(in, block, grad)
      .sub_(contrastive.squeeze(1))
      .sub_(penalty.squeeze(1) * (2 * g0));
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> environment_loss_forward(const Tensor& z1, const Tensor& z2,
                                                            const Tensor& environment,
                                                            int64_t num_env, double temperature,
                                                            double irm_temperature,
                                                            const BlockLimits& limits) {
  at::NoGradGuard no_grad;
  const Inputs in{at::cat({z1, z2}), num_env, temperature, irm_temperature, limits};
  std::vector<Tensor> contrastive, penalty;
  for (const auto& partition : make_partitions(in, environment)) {
    contrastive.push_back(at::mv(partition.member, partition.row_loss * partition.row_weight));
    penalty.push_back(position_gradient(in, partition).square().sum(1));
  }
  const auto shape = environment_state_shape(environment.size(0), num_env, environment.size(1));
  return {at::stack(contrastive), at::stack(penalty),
          at::zeros(shape, z1.options().dtype(at::kDouble))};
}

std::tuple<Tensor, Tensor> environment_loss_backward(const Tensor& grad_contrastive,
                                                     const Tensor& grad_penalty, const Tensor& z1,
                                                     const Tensor& z2, const Tensor& environment,
                                                     int64_t num_env, double temperature,
                                                     double irm_temperature,
                                                     const BlockLimits& limits) {
  at::NoGradGuard no_grad;
  const Inputs in{at::cat({z1, z2}), num_env, temperature, irm_temperature, limits};
  const auto partitions = make_partitions(in, environment);
  std::vector<Factors> factors;
  for (size_t p = 0; p < partitions.size(); ++p) {
    const auto partition = static_cast<int64_t>(p);
    factors.push_back(make_factors(in, partitions[p], grad_contrastive.select(0, partition),
                                   grad_penalty.select(0, partition)));
  }
  auto dz = at::zeros_like(in.z);
  for_each_block(in, [&](const Block& block) {
    const auto l = block.s / temperature;
    const auto irm_l = irm_temperature == temperature ? l : block.s / irm_temperature;
    const auto grad = at::zeros_like(block.s);
    for (size_t p = 0; p < partitions.size(); ++p) {
      add_gradient(in, block, l, irm_l, partitions[p], factors[p], grad);
    }
    dz.slice(0, block.begin, block.end).addmm_(grad, in.z);
    dz.addmm_(grad.t(), in.z.slice(0, block.begin, block.end));
  });
  return {dz.slice(0, 0, in.batch()), dz.slice(0, in.batch())};
}

}  // namespace ipirm::ops::aten

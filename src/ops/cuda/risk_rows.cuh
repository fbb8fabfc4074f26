// The row mathematics of partition_risk between its sweeps (METHOD 10), a thread a view and
// environment, by the functions of risk_math.h.
//
// Arrays over views are (K or more, padded) as pair_layout.cuh has them. What sums over rows is
// left as a number a block, (K, row_blocks), which those who need the sum add up.
#pragma once

#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/row_sums.cuh"
#include "ops/risk_math.h"

namespace ipirm::ops::cuda {

struct RiskBatch {
  PairLayout layout;
  int num_env;
  bool nonorm;
  const float* weights;  // (n, K)
  const double* sums;    // (K) of the samples' weights
  const double* own;     // (view_stride) inner product of a sample's two views
  const float* largest;  // (padded)
  const double* bound;   // the largest |z|²

  __host__ __device__ int row_blocks() const { return layout.padded() / kRowThreads; }
};

// The view and environment of a thread.
struct RowPlace {
  int env, view, sample;
  bool real;     // no padding
  size_t place;  // in (K, padded)
  size_t block;  // in (K, row_blocks)
};
__device__ inline RowPlace row_place(const PairLayout& layout) {
  const int env = static_cast<int>(blockIdx.y);
  const int view = static_cast<int>(blockIdx.x) * kRowThreads + static_cast<int>(threadIdx.x);
  const int sample = view % layout.view_stride();
  return {env,
          view,
          sample,
          sample < layout.n,
          static_cast<size_t>(env) * layout.padded() + view,
          static_cast<size_t>(env) * (layout.padded() / kRowThreads) + blockIdx.x};
}

__device__ inline double weight_of(const RiskBatch& batch, const RowPlace& at) {
  return batch.weights[static_cast<size_t>(at.sample) * batch.num_env + at.env];
}
// 1/s, or 1/M where nonorm.
__device__ inline double per_share(const RiskBatch& batch, int env) {
  return batch.nonorm ? 1. / (2 * batch.layout.n) : inverse_weight(2 * batch.sums[env]);
}

struct Row {
  RowInput<double> input;
  RowRisk<double> risk;
  double per_negative;
};
// sum: A_i, (K, padded).
__device__ inline Row row_at(const RiskBatch& batch, const RowPlace& at, double temperature,
                             const double* sum) {
  const auto share = sample_share(weight_of(batch, at), 2 * batch.sums[at.env],
                                  per_share(batch, at.env), 2. * batch.layout.n);
  const bool relative = !exponents_are_safe(*batch.bound, 1 / temperature);
  const double max = relative ? batch.largest[at.view] / temperature : 0;
  const RowInput<double> input{share.a, share.c, sum[at.place], batch.own[at.sample] / temperature,
                               max};
  return {input, row_risk(input), share.per_negative};
}

// Grid of this and the following kernels: row_blocks; K, or where they write what a sweep takes,
// the number of its columns.

// The weights of all views, (columns, padded); zeros in the padding.
__global__ void __launch_bounds__(kRowThreads) spread_weights(RiskBatch batch, float* to) {
  const RowPlace at = row_place(batch.layout);
  const bool real = at.real && at.env < batch.num_env;
  to[at.place] = real ? static_cast<float>(weight_of(batch, at)) : 0;
}

// What the rows of a temperature sum to: a_i times their loss, and g_0.
struct RowSumParts {
  double *contrastive, *g0;
};

// to (columns, padded): b_i/T, what rows give in position sums.
__global__ void __launch_bounds__(kRowThreads)
    weigh_rows(RiskBatch batch, double temperature, const double* sum, float* to,
               RowSumParts parts) {
  double* const shared = dynamic_shared<double>();
  const RowPlace at = row_place(batch.layout);
  if (at.env >= batch.num_env) {
    to[at.place] = 0;
    return;
  }
  double loss = 0, g0 = 0, b = 0;
  if (at.real) {
    const Row row = row_at(batch, at, temperature, sum);
    loss = row.input.a * row.risk.loss;
    g0 = positive_gradient(row.input, row.risk);
    b = position_weight(row.input, row.risk) / temperature;
  }
  to[at.place] = static_cast<float>(b);
  loss = block_sum(loss, shared);
  g0 = block_sum(g0, shared);
  if (threadIdx.x != 0) return;
  parts.contrastive[at.block] = loss;
  parts.g0[at.block] = g0;
}

// The gradient by position, from position sums (K, padded). Column j of the first view stands at
// position j+1 in rows of later samples and at j in rows of earlier ones; that of the second view
// at n+j and n+j-1. Position 0 is the positives'.
struct PositionSums {
  const double *later, *earlier;
};

// w_j times a column's sum; 0 for a sample that there is not.
__device__ inline double position_part(const RiskBatch& batch, int env, const double* sums,
                                       int view, int sample) {
  if (sample < 0 || sample >= batch.layout.n) return 0;
  const size_t place =
      static_cast<size_t>(env) * batch.layout.padded() + view * batch.layout.view_stride() + sample;
  return batch.weights[static_cast<size_t>(sample) * batch.num_env + env] * sums[place];
}
// g at a position from 1 on: what columns of both kinds have there in both kinds of rows. Sample 0
// has no earlier rows: its sums are 0.
__device__ inline double position_gradient(const RiskBatch& batch, int env,
                                           const PositionSums& sums, int position) {
  const int n = batch.layout.n;
  return position_part(batch, env, sums.later, 0, position - 1) +
         position_part(batch, env, sums.later, 1, position - n) +
         position_part(batch, env, sums.earlier, 0, position) +
         position_part(batch, env, sums.earlier, 1, position - n + 1);
}
struct ColumnGradient {
  double later, earlier;  // g at the column's position in the two kinds of rows
};
__device__ inline ColumnGradient column_gradient(const RiskBatch& batch, const RowPlace& at,
                                                 const PositionSums& sums) {
  const bool second = at.view >= batch.layout.view_stride();
  const int earlier = second ? batch.layout.n + at.sample - 1 : at.sample;
  // The first sample has no earlier rows.
  return {position_gradient(batch, at.env, sums, earlier + 1),
          at.sample == 0 ? 0 : position_gradient(batch, at.env, sums, earlier)};
}

// to_later, to_earlier (columns, padded): scale w_j g, what columns give in row sums by position.
// penalty: parts of Σ g² without position 0.
__global__ void __launch_bounds__(kRowThreads)
    weigh_positions(RiskBatch batch, PositionSums sums, double scale, float* to_later,
                    float* to_earlier, double* penalty) {
  double* const shared = dynamic_shared<double>();
  const RowPlace at = row_place(batch.layout);
  if (at.env >= batch.num_env) {
    to_later[at.place] = to_earlier[at.place] = 0;
    return;
  }
  double later = 0, earlier = 0, square = 0;
  if (at.real) {
    const ColumnGradient g = column_gradient(batch, at, sums);
    const double w = weight_of(batch, at);
    later = scale * w * g.later;
    earlier = scale * w * g.earlier;
    // Each position from 1 on belongs to one column: that which has it in rows of earlier samples,
    // and N to the second view of sample 0 ... in short, to view (v, j) position v n + j.
    const bool second = at.view >= batch.layout.view_stride();
    const int position = second ? batch.layout.n + at.sample : at.sample;
    const double own = position == 0 ? 0 : position_gradient(batch, at.env, sums, position);
    square = own * own;
  }
  to_later[at.place] = static_cast<float>(later);
  to_earlier[at.place] = static_cast<float>(earlier);
  square = block_sum(square, shared);
  if (threadIdx.x == 0) penalty[at.block] = square;
}

// Derivatives with respect to what rows know, of alpha * contrastive + lambda * penalty.
struct GradientTask {
  double temperature, alpha, lambda;
  const double* sum;       // A_i
  const double* g0_parts;  // null where lambda is 0, like the next
  const double* db;        // (K, padded)
  double *da, *dw;         // (K, padded)
  double *da_a_parts, *dw_parts;
};

// to (columns, padded): dD_i c_i, what rows give in transposed sums.
__global__ void __launch_bounds__(kRowThreads)
    weigh_gradients(RiskBatch batch, GradientTask task, float* to) {
  double* const shared = dynamic_shared<double>();
  const RowPlace at = row_place(batch.layout);
  if (at.env >= batch.num_env) {
    to[at.place] = 0;
    return;
  }
  double tau = 0;
  if (task.g0_parts != nullptr) {
    const size_t first = static_cast<size_t>(at.env) * batch.row_blocks();
    tau = 2 * task.lambda * sum_of_blocks(task.g0_parts + first, batch.row_blocks(), shared);
  }
  RowEffect<double> effect{0, 0, 0, 0};
  if (at.real) {
    const Row row = row_at(batch, at, task.temperature, task.sum);
    const double db = task.db != nullptr ? task.db[at.place] : 0;
    effect = row_effect(row.input, row_gradient(row.input, row.risk, task.alpha, tau, db),
                        row.per_negative);
  }
  to[at.place] = static_cast<float>(effect.transposed);
  task.da[at.place] = effect.da;
  task.dw[at.place] = effect.dw;
  const double da_a = block_sum(effect.da_a, shared), dw = block_sum(effect.dw, shared);
  if (threadIdx.x != 0) return;
  task.da_a_parts[at.block] = da_a;
  task.dw_parts[at.block] = dw;
}

struct GradientSums {
  const double* transposed;  // (K, padded) Σ_i E_ij dD_i c_i
  const double *da, *dw;
  const double *da_a_parts, *dw_parts;
  double lambda;
  PositionSums positions;  // null where lambda is 0
};

// d/d of a view's own weight.
__device__ inline double view_gradient(const RiskBatch& batch, const GradientSums& task,
                                       const RowPlace& at) {
  double grad = task.transposed[at.place] - 2 * task.dw[at.place] +
                task.da[at.place] * per_share(batch, at.env);
  if (task.positions.later != nullptr) {
    const ColumnGradient g = column_gradient(batch, at, task.positions);
    grad +=
        2 * task.lambda *
        (g.later * task.positions.later[at.place] + g.earlier * task.positions.earlier[at.place]);
  }
  return grad;
}

// Grid: half of row_blocks (rounded up), K. Adds to total (K, view_stride), the gradient of the
// mean over environments by sample, which it writes where `first`; grad (n, K), where not null,
// receives the total.
__global__ void __launch_bounds__(kRowThreads)
    add_gradients(RiskBatch batch, GradientSums task, bool first, double* total, float* grad) {
  double* const shared = dynamic_shared<double>();
  RowPlace at = row_place(batch.layout);
  const int blocks = batch.row_blocks();
  const size_t of_env = static_cast<size_t>(at.env) * blocks;
  double of_all = sum_of_blocks(task.dw_parts + of_env, blocks, shared);
  const double da_a = sum_of_blocks(task.da_a_parts + of_env, blocks, shared);
  if (!batch.nonorm) of_all -= da_a * per_share(batch, at.env);
  if (at.view >= batch.layout.n) return;
  double both = 2 * of_all + view_gradient(batch, task, at);
  at.view += batch.layout.view_stride();
  at.place += batch.layout.view_stride();
  both = (both + view_gradient(batch, task, at)) / batch.num_env;
  double& sum = total[static_cast<size_t>(at.env) * batch.layout.view_stride() + at.sample];
  sum = first ? both : sum + both;
  if (grad != nullptr) {
    grad[static_cast<size_t>(at.sample) * batch.num_env + at.env] = static_cast<float>(sum);
  }
}

}  // namespace ipirm::ops::cuda

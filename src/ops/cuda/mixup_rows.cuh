// The row mathematics of partition_risk_mixup between its sweeps, a thread a sample and
// environment: partition_risk_mixup_closed_form.cpp has the letters and equations.
//
// Row i is sample i's first view, column i its second: in arrays over views (K or more, padded)
// they stand in the first and in the second half. Arrays over samples are (K, view_stride).
#pragma once

#include <cfloat>

#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/row_sums.cuh"
#include "ops/risk_math.h"

namespace ipirm::ops::cuda {

struct MixupBatch {
  PairLayout layout;
  int num_env;
  bool nonorm;
  double temperature;
  const float* weights;       // (n, K)
  const float* lam;           // (n)
  const int64_t* partner;     // (n); null: offline
  const double* sums;         // (K) of the weights
  const double *own, *other;  // (view_stride) inner products with the own and the partner's column
  const float* largest;       // (padded), rows
  const double* bound;        // the largest |z|²

  __host__ __device__ int blocks() const {
    return (layout.view_stride() + kRowThreads - 1) / kRowThreads;
  }
  __device__ double weight(int sample, int env) const {
    return weights[static_cast<size_t>(sample) * num_env + env];
  }
};

// The sample and environment of a thread.
struct SamplePlace {
  int env, sample;
  bool padded, real;   // has a place in the arrays; is no padding
  size_t place;        // in (K, view_stride)
  size_t row, column;  // in (K, padded)
  size_t block;        // in (K, blocks)
};
__device__ inline SamplePlace sample_place(const MixupBatch& batch) {
  const int env = static_cast<int>(blockIdx.y), stride = batch.layout.view_stride();
  const int sample = static_cast<int>(blockIdx.x) * kRowThreads + static_cast<int>(threadIdx.x);
  const size_t row = static_cast<size_t>(env) * batch.layout.padded() + sample;
  return {env,
          sample,
          sample < stride,
          sample < batch.layout.n && env < batch.num_env,
          static_cast<size_t>(env) * stride + sample,
          row,
          row + stride,
          static_cast<size_t>(env) * batch.blocks() + blockIdx.x};
}

// What a row knows of one environment.
struct MixRow {
  double w, others, c, a;         // w_i, W_i, c_i, a_i
  double own_share, other_share;  // t_ii, t_ip
  double own, other;              // l_ii, l_ip
  double sum, d, q_own, q_scale;  // A_i, D_i, q_ii, c_i/D_i
  double partner_weight;          // w_p
  double loss;                    // f_i
};
// sum: A_i at the rows, (K, padded).
__device__ inline MixRow mix_row(const MixupBatch& batch, const SamplePlace& at,
                                 const double* sum) {
  const double n = batch.layout.n, s = batch.sums[at.env], lam = batch.lam[at.sample];
  MixRow row;
  row.w = batch.weight(at.sample, at.env);
  row.others = s - row.w;
  row.c = (n - 1) * inverse_weight(row.others);
  double each = lam * row.w / (batch.nonorm ? n : s);
  row.own_share = 1;
  row.other_share = row.other = row.partner_weight = 0;
  if (batch.partner != nullptr) {
    const int partner = static_cast<int>(batch.partner[at.sample]);
    const bool alone = partner == at.sample;
    row.own_share = alone ? 1 : lam;
    row.other_share = alone ? 0 : 1 - lam;
    row.other = batch.other[at.sample] / batch.temperature;
    row.partner_weight = batch.weight(partner, at.env);
    each = batch.nonorm ? s / (n * n) : 1 / n;
  }
  row.a = s > kLeastWeight ? each : 0;
  row.own = batch.own[at.sample] / batch.temperature;
  const bool relative = !exponents_are_safe(*batch.bound, 1 / batch.temperature);
  const double max = relative ? batch.largest[at.sample] / batch.temperature : 0;
  row.sum = sum[at.row];
  const double x = exp(row.own - max);
  // A row that has neither weight beside i nor an exponential of note at i would have D = 0.
  row.d = fmax(x + row.c * row.sum, DBL_MIN);
  row.q_own = x / row.d;
  row.q_scale = row.c / row.d;
  row.loss = log(row.d) + row.own_share * (max - row.own);
  if (batch.partner != nullptr) {
    const double log_weight = log(fmax(row.partner_weight * row.c, kLeastWeight));
    row.loss += row.other_share * (max - row.other - log_weight);
  }
  return row;
}

// The sum of `values` (K, view_stride) over the samples whose partner this one is, in their order.
__device__ inline double sum_over_partners(const MixupBatch& batch, const SamplePlace& at,
                                           const double* values) {
  if (batch.partner == nullptr) return 0;
  const double* const of_env = values + static_cast<size_t>(at.env) * batch.layout.view_stride();
  double sum = 0;
  for (int i = 0; i < batch.layout.n; ++i) {
    if (batch.partner[i] == at.sample) sum += of_env[i];
  }
  return sum;
}

// What a sweep takes from rows (or columns): zeros from the others and from the padding.
__device__ inline void give(float* to, const SamplePlace& at, bool from_rows, double value) {
  if (!at.padded) return;
  to[from_rows ? at.row : at.column] = static_cast<float>(value);
  to[from_rows ? at.column : at.row] = 0;
}

// Grid of all kernels: blocks; K, or where they write what a sweep takes, the number of its
// columns.

__global__ void __launch_bounds__(kRowThreads) give_weights(MixupBatch batch, float* to) {
  const SamplePlace at = sample_place(batch);
  give(to, at, /*from_rows=*/false, at.real ? batch.weight(at.sample, at.env) : 0);
}

// to: a_i c_i/(D_i T) from rows. at_partner (K, view_stride): a_i t_ip l_ip. contrastive: parts of
// Σ a_i f_i.
__global__ void __launch_bounds__(kRowThreads)
    give_rows(MixupBatch batch, const double* sum, float* to, double* at_partner,
              double* contrastive) {
  double* const shared = dynamic_shared<double>();
  const SamplePlace at = sample_place(batch);
  double loss = 0, value = 0;
  if (at.real) {
    const MixRow row = mix_row(batch, at, sum);
    loss = row.a * row.loss;
    value = row.a * row.q_scale / batch.temperature;
    at_partner[at.place] = row.a * row.other_share * row.other;
  }
  give(to, at, /*from_rows=*/true, value);
  if (at.env >= batch.num_env) return;
  loss = block_sum(loss, shared);
  if (threadIdx.x == 0) contrastive[at.block] = loss;
}

// to: 2 mu w_k g_k/T from columns. g (K, view_stride). penalty: parts of Σ g².
__global__ void __launch_bounds__(kRowThreads)
    give_columns(MixupBatch batch, const double* sum, const double* column_sum,
                 const double* at_partner, double mu, float* to, double* g, double* penalty) {
  double* const shared = dynamic_shared<double>();
  const SamplePlace at = sample_place(batch);
  double value = 0, square = 0;
  if (at.real) {
    const MixRow row = mix_row(batch, at, sum);
    const double own = row.w * column_sum[at.column] +
                       row.a * (row.q_own - row.own_share) * row.own -
                       sum_over_partners(batch, at, at_partner);
    g[at.place] = own;
    square = own * own;
    value = 2 * mu * row.w * own / batch.temperature;
  }
  give(to, at, /*from_rows=*/false, value);
  if (at.env >= batch.num_env) return;
  square = block_sum(square, shared);
  if (threadIdx.x == 0) penalty[at.block] = square;
}

struct MixGradientTask {
  double mu;
  const double* sum;     // (K, padded) A_i
  const double *g, *db;  // (K, view_stride); (K, padded) Σ_k H_ik w_k 2 mu g_k; null where mu is 0
  double *da, *dw, *push;       // (K, view_stride)
  double *da_parts, *dw_parts;  // of what through_weights() needs
};

// to: dD_i c_i from rows.
__global__ void __launch_bounds__(kRowThreads)
    give_gradients(MixupBatch batch, MixGradientTask task, float* to) {
  double* const shared = dynamic_shared<double>();
  const SamplePlace at = sample_place(batch);
  double value = 0, da = 0, dw = 0, da_part = 0;
  if (at.real) {
    const MixRow row = mix_row(batch, at, task.sum);
    const double a_over_d = row.a / row.d;
    double dd = a_over_d, dc = 0;
    da = row.loss;
    if (task.db != nullptr) {
      const double r = 2 * task.mu * task.g[at.place], db = task.db[at.row];
      da += r * (row.q_own - row.own_share) * row.own + db * row.q_scale;
      if (batch.partner != nullptr) {
        const size_t partner = at.place - at.sample + batch.partner[at.sample];
        da -= 2 * task.mu * task.g[partner] * row.other_share * row.other;
      }
      dd -= (r * row.q_own * row.own + db * row.q_scale) * a_over_d;
      dc = db * a_over_d;
    }
    value = dd * row.c;
    dc += dd * row.sum;
    dw = -dc * row.c * inverse_weight(row.others);
    // -log ŵ_ip = log W_i - log w_p + a constant.
    const bool counted = batch.partner != nullptr && row.partner_weight * row.c > kLeastWeight;
    const double pull = counted ? row.a * row.other_share : 0;
    dw += pull * inverse_weight(row.others);
    task.push[at.place] = counted ? pull / row.partner_weight : 0;
    task.da[at.place] = da;
    task.dw[at.place] = dw;
    da_part = batch.partner != nullptr ? da : da * row.a;
  }
  give(to, at, /*from_rows=*/true, value);
  if (at.env >= batch.num_env) return;
  da_part = block_sum(da_part, shared);
  dw = block_sum(dw, shared);
  if (threadIdx.x != 0) return;
  task.da_parts[at.block] = da_part;
  task.dw_parts[at.block] = dw;
}

// What reaches a weight through the sums W_i and through its row's share in the mean. all_da: Σ
// da_i a_i offline, Σ da_i online.
__device__ inline double through_weights(const MixupBatch& batch, const SamplePlace& at,
                                         const MixGradientTask& task, double all_da,
                                         double all_dw) {
  const double n = batch.layout.n, s = batch.sums[at.env];
  if (!(s > kLeastWeight)) return 0;
  double grad = all_dw - task.dw[at.place];
  if (batch.partner != nullptr) return batch.nonorm ? grad + all_da / (n * n) : grad;
  const double own = task.da[at.place] * batch.lam[at.sample];
  return grad + (batch.nonorm ? own / n : (own - all_da) / s);
}

// grad (n, K). column_sum: Σ_i b_i H_ik; transposed: Σ_i dD_i c_i E_ik, (K, padded) at the columns.
__global__ void __launch_bounds__(kRowThreads)
    write_gradients(MixupBatch batch, MixGradientTask task, const double* column_sum,
                    const double* transposed, float* grad) {
  double* const shared = dynamic_shared<double>();
  const SamplePlace at = sample_place(batch);
  const size_t first = static_cast<size_t>(at.env) * batch.blocks();
  const double all_da = sum_of_blocks(task.da_parts + first, batch.blocks(), shared);
  const double all_dw = sum_of_blocks(task.dw_parts + first, batch.blocks(), shared);
  if (!at.real) return;
  double sum = transposed[at.column] - sum_over_partners(batch, at, task.push) +
               through_weights(batch, at, task, all_da, all_dw);
  if (task.mu != 0) sum += 2 * task.mu * task.g[at.place] * column_sum[at.column];
  grad[static_cast<size_t>(at.sample) * batch.num_env + at.env] =
      static_cast<float>(sum / batch.num_env);
}

}  // namespace ipirm::ops::cuda

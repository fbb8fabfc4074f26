// The mathematics of one row of the partition risk (METHOD 10), once for all implementations: with
// plain numbers on the CPU and in a CUDA kernel, with tensors of all rows where ATen computes.
#pragma once

#include <cmath>

#include "ops/host_device.h"

namespace ipirm::ops {

// An environment, or the negatives of a row, with less weight than this has no risk: its inverse
// would overflow.
inline constexpr double kLeastWeight = 1e-30;
// Where a row has no weighty negative, D is its positive alone, which may be tiny.
inline constexpr double kLeastSum = 1e-300;

// What a kind of number must know beside + - * /. Tensors have theirs in risk_views.h.
template <class Number>
struct Arithmetic;
template <>
struct Arithmetic<double> {
  IPIRM_HOST_DEVICE static double exp(double x) { return std::exp(x); }
  IPIRM_HOST_DEVICE static double log(double x) { return std::log(x); }
  IPIRM_HOST_DEVICE static double at_least(double x, double least) { return std::fmax(x, least); }
  IPIRM_HOST_DEVICE static double select(bool condition, double then, double otherwise) {
    return condition ? then : otherwise;
  }
};

// 1/x, and 0 where x is no weight to speak of.
template <class Number>
IPIRM_HOST_DEVICE inline Number inverse_weight(const Number& x) {
  return Arithmetic<Number>::select(x > kLeastWeight, 1 / x, 0.);
}

// What a sample's weight w gives its rows in an environment whose views' weights sum to `sum`.
template <class Number>
struct SampleShare {
  Number a, c;          // as in RowInput
  Number per_negative;  // 1/W_i
};
// per_share: 1/sum, or 1/num_views where nonorm; num_views: M.
template <class Number>
IPIRM_HOST_DEVICE inline SampleShare<Number> sample_share(const Number& w, const Number& sum,
                                                          const Number& per_share,
                                                          double num_views) {
  const Number per_negative = inverse_weight(sum - 2 * w);
  return {w * per_share, (num_views - 2) * per_negative, per_negative};
}

// What row i knows of one environment. Exponentials are relative to exp(max).
template <class Number>
struct RowInput {
  Number a;         // a_i: its share in the mean
  Number c;         // c_i: what scales its negatives' weights; 0 where they have none
  Number sum;       // A_i = Σ E_ij u_j
  Number positive;  // l_ip
  Number max;       // m_i
};

template <class Number>
struct RowRisk {
  Number d;      // D_i
  Number share;  // q_ip = exp(l_ip) / D_i
  Number loss;   // log D_i - l_ip
};

template <class Number>
IPIRM_HOST_DEVICE inline RowRisk<Number> row_risk(const RowInput<Number>& row) {
  using Math = Arithmetic<Number>;
  const Number own = Math::exp(row.positive - row.max);
  const Number d = Math::select(row.c == 0, Math::at_least(own, kLeastSum), own + row.c * row.sum);
  return {d, own / d, Math::log(d) + row.max - row.positive};
}

// b_i, the weight of the row's negatives in the gradient by position.
template <class Number>
IPIRM_HOST_DEVICE inline Number position_weight(const RowInput<Number>& row,
                                                const RowRisk<Number>& risk) {
  return row.a * row.c / risk.d;
}

// The row's part of g_0, the gradient at the positives' position.
template <class Number>
IPIRM_HOST_DEVICE inline Number positive_gradient(const RowInput<Number>& row,
                                                  const RowRisk<Number>& risk) {
  return row.a * (risk.share - 1) * row.positive;
}

// Derivatives of alpha * contrastive + lambda * penalty with respect to a_i, D_i and c_i.
template <class Number>
struct RowGradient {
  Number da, dd, dc;
};

// tau = 2 lambda g_0; db = 2 lambda Σ_j H_ij R_ij u_j.
template <class Number>
IPIRM_HOST_DEVICE inline RowGradient<Number> row_gradient(const RowInput<Number>& row,
                                                          const RowRisk<Number>& risk, double alpha,
                                                          const Number& tau, const Number& db) {
  const Number da = alpha * risk.loss + tau * (risk.share - 1) * row.positive + db * row.c / risk.d;
  const Number dd =
      row.a / risk.d * (alpha - tau * risk.share * row.positive - db * row.c / risk.d);
  return {da, dd, dd * row.sum + db * row.a / risk.d};
}

// How they reach the views' weights.
template <class Number>
struct RowEffect {
  Number transposed;  // dD_i c_i: what the row gives to its columns, times E
  Number da;          // da_i
  Number da_a;        // da_i a_i
  Number dw;          // dW_i
};
template <class Number>
IPIRM_HOST_DEVICE inline RowEffect<Number> row_effect(const RowInput<Number>& row,
                                                      const RowGradient<Number>& gradient,
                                                      const Number& per_negative) {
  return {gradient.dd * row.c, gradient.da, gradient.da * row.a,
          -gradient.dc * row.c * per_negative};
}

}  // namespace ipirm::ops

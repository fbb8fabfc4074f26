// The per-row mathematics of the partition risk (METHOD 10), for host and device.
#pragma once

#include <cmath>

#if defined(__CUDACC__)
#define IPIRM_HOST_DEVICE __host__ __device__
#else
#define IPIRM_HOST_DEVICE
#endif

namespace ipirm::ops {

// An environment, or the negatives of a row, with less weight than this has no risk: its inverse
// would overflow.
inline constexpr double kLeastWeight = 1e-30;

// What row i knows of one environment. Exponentials are relative to exp(max).
struct RowInput {
  double a;         // a_i: its share in the mean
  double c;         // c_i: what scales its negatives' weights; 0 where they have none
  double sum;       // A_i = Σ E_ij u_j
  double positive;  // l_ip
  double max;       // m_i
};

struct RowRisk {
  double d;      // D_i
  double share;  // q_ip = exp(l_ip) / D_i
  double loss;   // log D_i - l_ip
};

IPIRM_HOST_DEVICE inline RowRisk row_risk(const RowInput& row) {
  const double own = std::exp(row.positive - row.max);
  // Where a row has no weighty negative, D is its positive alone, which may be tiny.
  const double d = row.c == 0 ? std::fmax(own, 1e-300) : own + row.c * row.sum;
  return {d, own / d, std::log(d) + row.max - row.positive};
}

// b_i, the weight of the row's negatives in the gradient by position.
IPIRM_HOST_DEVICE inline double position_weight(const RowInput& row, const RowRisk& risk) {
  return row.a * row.c / risk.d;
}

// The row's part of g_0, the gradient at the positives' position.
IPIRM_HOST_DEVICE inline double positive_gradient(const RowInput& row, const RowRisk& risk) {
  return row.a * (risk.share - 1) * row.positive;
}

// Derivatives of alpha * contrastive + lambda * penalty with respect to a_i, D_i and c_i.
struct RowGradient {
  double da, dd, dc;
};

// tau = 2 lambda g_0; db = 2 lambda Σ_j H_ij R_ij u_j.
IPIRM_HOST_DEVICE inline RowGradient row_gradient(const RowInput& row, const RowRisk& risk,
                                                  double alpha, double tau, double db) {
  RowGradient out;
  out.da = alpha * risk.loss + tau * (risk.share - 1) * row.positive + db * row.c / risk.d;
  out.dd = row.a / risk.d * (alpha - tau * risk.share * row.positive - db * row.c / risk.d);
  out.dc = out.dd * row.sum + db * row.a / risk.d;
  return out;
}

}  // namespace ipirm::ops

// The mathematics of one view and of one pair in environment_loss, for the CPU and for kernels.
//
// Letters as in environment_loss_aten.cpp: q_ij the softmax of row i inside its environment, R_ij =
// g at the position of j in row i, Q_i = Σ_j 2 R_ij q_ij l_ij, the latter three at T'.
#pragma once

#include "ops/host_device.h"

namespace ipirm::ops {

// The position (METHOD 4) at which a view stands as a column: in rows of samples that come later in
// its environment than its own (`before` = true: the column comes before them), or earlier. The
// sample is number `rank` of the environment's `size` samples. In rows of earlier samples that of
// rank 0 has no position, in rows of later ones that of rank size - 1 has none.
template <class Int>
IPIRM_HOST_DEVICE inline Int column_position(Int size, Int rank, Int view, bool before) {
  return view == 0 ? rank + (before ? 1 : 0) : size + rank - (before ? 0 : 1);
}

// What the penalty's gradient takes of one direction of a pair, i as the row and j as the column.
template <class Number>
struct Direction {
  Number share;    // q_ij
  Number twice_r;  // 2 R_ij
  Number row_sum;  // Q_i
};

// (d contrastive/d l_ij + d contrastive/d l_ji) / w for both shares at T.
template <class Number>
IPIRM_HOST_DEVICE inline Number contrastive_gradient(Number share_ij, Number share_ji,
                                                     bool positive) {
  return share_ij + share_ji - (positive ? 2 : 0);
}

// (d penalty/d l_ij + d penalty/d l_ji) / w with l = l_ij at T'.
template <class Number>
IPIRM_HOST_DEVICE inline Number penalty_gradient(const Direction<Number>& ij,
                                                 const Direction<Number>& ji, Number l,
                                                 bool positive) {
  const Number gradient = ij.share * (ij.twice_r * (1 + l) - ij.row_sum) +
                          ji.share * (ji.twice_r * (1 + l) - ji.row_sum);
  return positive ? gradient - ij.twice_r - ji.twice_r : gradient;
}

}  // namespace ipirm::ops

// The inner loops over pairs of views, compiled once an instruction set and chosen at run time.
//
// Letters: i row view, j column view, S_ij = z_i·z_j, l = S/T, E = exp(l), H = E∘S; c columns of
// weights. A tile is a block of kBlock row views against a block of kBlock column views.
#pragma once

#include <cstdint>

namespace ipirm::ops {

// Views in a block: a multiple of every kernel set's panels.
inline constexpr int64_t kBlock = 48;

// Which matrix is multiplied with.
enum class Term { kE, kH };

// Which pairs of a tile count, by their places in the two blocks. In tiles of two different blocks
// of samples all do; where the samples are the same, pairs of one sample (itself, the positive)
// never do, and those before and after it may count apart.
enum class Pairs { kAll, kOthers, kColumnBefore, kColumnAfter };

// One tile's share of out_i += Σ_j F_ij in_j and out_j += Σ_i F_ij in_i, F = E or H.
template <class T>
struct TileProduct {
  const T* rows;     // packed row panels (see Kernels::row_panel), zeros beyond the last view
  const T* columns;  // packed column panels
  int64_t dim;       // d
  int64_t num_rows, num_columns;  // views in each block, 1..kBlock
  T* products;                    // kBlock * kBlock inner products kept between sweeps, or null
  bool computed;                  // products holds them already
  T scale;                        // log2(e) / T
  Term term;
  Pairs pairs;
  // Exponents are taken relative to log2(e) * m of one of the two views, or as they are (null).
  const T *row_shift, *column_shift;
  bool shift_by_receiver;  // relative to the view that receives, else to the one that gives
  // Column c of a weight matrix is at [c * stride]; the pointers stand at their block's first view.
  int64_t num_weights, stride;
  const T *row_in, *column_in;  // what rows and columns give
  T *row_out, *column_out;      // what they receive, added to
  int64_t column_out_stride;    // in place of stride in column_out
};

// One tile's share of out_i += Σ_j coefficient_ij z_j, for the rows alone, with coefficient =
// E∘(A + (1 + l)∘W) for pairs of different samples and 0 for others. A and W are products of
// factors a view, packed like the views: A_ij = a_i·a'_j, and W_ij = w_i·w'_j, where the factors
// depend on which of the two samples comes first.
template <class T>
struct TileGradient {
  const T *rows, *columns;  // packed panels of the views
  int64_t dim;              // d
  int64_t num_columns;      // views in the column block
  T scale;                  // log2(e) / T
  T inverse_temperature;    // 1 / T
  int64_t num_factors;      // of A and of W
  const T *row_a, *column_a;
  // Rows of later samples than the column's, and of earlier ones; null: W is 0.
  const T *row_later, *column_later, *row_earlier, *column_earlier;
  bool later,
      earlier;  // which of the two the tile holds; both where its blocks' samples are the same
  const T* column_views;  // (kBlock, width) z_j, row by row
  int64_t width;          // d rounded up to the kernels' column_panel
  T* out;                 // (kBlock, width)
};

// Every set computes the same function; rounding differs between them.
template <class T>
struct PairKernels {
  const char* name;  // "baseline", "avx2", "avx512"
  int64_t row_panel,
      column_panel;  // views in a packed panel: element k of view v at [k * panel + v]
  void (*multiply)(const TileProduct<T>&);
  void (*gradient)(const TileGradient<T>&);
};

template <class T>
const PairKernels<T>& baseline_pair_kernels();
// Null where the compiler or this processor has none.
template <class T>
const PairKernels<T>* avx2_pair_kernels();
template <class T>
const PairKernels<T>* avx512_pair_kernels();

// The fastest set for this processor, or the one that the environment variable IPIRM_CPU_KERNELS
// names, where this processor has it.
template <class T>
const PairKernels<T>& best_pair_kernels();

}  // namespace ipirm::ops

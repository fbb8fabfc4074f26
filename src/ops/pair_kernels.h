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
  // The two blocks' views in packed panels (see PairKernels), zeros beyond the last view.
  const T *rows, *columns;
  // d
  int64_t dim;
  // How many views each block has, 1..kBlock.
  int64_t num_rows, num_columns;
  // The kBlock * kBlock inner products that are kept between sweeps, or null; `computed` says
  // whether they are there already.
  T* products;
  bool computed;
  // log2(e) / T
  T scale;
  Term term;
  Pairs pairs;
  // Exponents are relative to log2(e) * m of one of the two views, or taken as they are (null):
  // to that of the view which receives where shift_by_receiver, else of the one which gives.
  const T *row_shift, *column_shift;
  bool shift_by_receiver;
  // Column c of a weight matrix begins at [c * stride]; the pointers stand at their block's first
  // view.
  int64_t num_weights, stride;
  // What rows and columns give, and what they receive, to which it is added.
  const T *row_in, *column_in;
  T *row_out, *column_out;
  // Takes the place of stride in column_out.
  int64_t column_out_stride;
};

// One tile's share of out_i += Σ_j coefficient_ij z_j, for the rows alone, with coefficient =
// E∘(A + (1 + l)∘W) for pairs of different samples and 0 for others. A and W are products of
// factors a view, packed like the views: A_ij = a_i·a'_j, and W_ij = w_i·w'_j, where the factors
// depend on which of the two samples comes first.
template <class T>
struct TileGradient {
  // The two blocks' views in packed panels.
  const T *rows, *columns;
  // d
  int64_t dim;
  // How many views the column block has.
  int64_t num_columns;
  // log2(e) / T and 1 / T
  T scale, inverse_temperature;
  // How many factors A has, and W.
  int64_t num_factors;
  const T *row_a, *column_a;
  // Factors for rows of later samples than the column's, and of earlier ones; null where W is 0.
  const T *row_later, *column_later, *row_earlier, *column_earlier;
  // Which of the two kinds of rows the tile holds; both where its blocks' samples are the same.
  bool later, earlier;
  // (kBlock, width) z_j, row by row; width is d rounded up to the kernels' column_panel.
  const T* column_views;
  int64_t width;
  // (kBlock, width)
  T* out;
};

// Every set computes the same function; rounding differs between them.
template <class T>
struct PairKernels {
  // "baseline", "avx2", "avx512"
  const char* name;
  // Views in a packed panel of rows and of columns: element k of view v stands at [k * panel + v].
  int64_t row_panel, column_panel;
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

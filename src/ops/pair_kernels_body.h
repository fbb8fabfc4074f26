// The one source of all kernel sets, included by pair_kernels_*.cpp with IPIRM_KERNEL_SET (a name),
// IPIRM_VECTOR_BYTES and IPIRM_ROW_PANEL set.
//
// A tile is visited in steps of kRows row views x kColumns column views: their inner products in
// registers (or from memory, where an earlier sweep kept them), then the exponentials, then both
// directions' sums. No function from outside may be used here: code shared with other files must
// not be compiled for a newer processor.
#include <cstdint>

#include "ops/pair_kernels.h"

namespace ipirm::ops::IPIRM_KERNEL_SET {
namespace {

constexpr int kRows = IPIRM_ROW_PANEL;
constexpr int kVectors = 12 / kRows;  // vectors of columns: 12 accumulators in all

template <class T>
struct Simd;
template <>
struct Simd<float> {
  typedef float Vector __attribute__((vector_size(IPIRM_VECTOR_BYTES), may_alias));
  typedef int32_t Integer __attribute__((vector_size(IPIRM_VECTOR_BYTES), may_alias));
  static constexpr float kRound = 0x1.8p23f;  // adding it rounds to an integer, in the low bits
  static constexpr int kMantissa = 23;
  static constexpr float kLeast = -125.f, kLargest = 126.f;
  // 2^r on [-.5, .5] by interpolation at Chebyshev points: relative error 2.5e-9.
  static constexpr float kPower[] = {1.f,           .693147207f,   .240226509f,   .0555032723f,
                                     .00961805668f, .00134004282f, .000154614447f};
};
template <>
struct Simd<double> {
  typedef double Vector __attribute__((vector_size(IPIRM_VECTOR_BYTES), may_alias));
  typedef int64_t Integer __attribute__((vector_size(IPIRM_VECTOR_BYTES), may_alias));
  static constexpr double kRound = 0x1.8p52;
  static constexpr int kMantissa = 52;
  static constexpr double kLeast = -1021., kLargest = 1022.;
  static constexpr double kPower[] = {1.,  // relative error 5e-18
                                      .693147180559945309,
                                      .240226506959101596,
                                      .055504108664821627,
                                      .00961812910758725667,
                                      .00133335581464064707,
                                      .000154035304637243542,
                                      .0000152527338415567726,
                                      1.32154325359123762e-6,
                                      1.01780570877339411e-7,
                                      7.07419429728852101e-9,
                                      4.45581790833606449e-10};
};
template <class T>
using Vector = typename Simd<T>::Vector;
template <class T>
constexpr int kLanes = IPIRM_VECTOR_BYTES / sizeof(T);
template <class T>
constexpr int kColumns = kVectors* kLanes<T>;

// Memory need not be aligned to vectors.
template <class T>
inline Vector<T> load(const T* from) {
  typedef Vector<T> Anywhere __attribute__((aligned(sizeof(T))));
  return *reinterpret_cast<const Anywhere*>(from);
}
template <class T>
inline void store(T* to, Vector<T> values) {
  typedef Vector<T> Anywhere __attribute__((aligned(sizeof(T))));
  *reinterpret_cast<Anywhere*>(to) = values;
}

// 2^(s * scale - shift). With `clamped` the exponent is first brought into [kLeast, 0]; without,
// the caller knows that it lies inside the type's range.
template <class T, bool clamped>
inline Vector<T> power_of_two(Vector<T> s, T scale, Vector<T> shift) {
  using S = Simd<T>;
  Vector<T> x = s, factor = Vector<T>{} + scale;
  if constexpr (clamped) {
    x = s * scale - shift;
    x = x < S::kLeast ? Vector<T>{} + S::kLeast : x;
    x = x > 0 ? Vector<T>{} : x;
    factor = Vector<T>{} + T{1};
  }
  const Vector<T> rounded = x * factor + S::kRound;
  const Vector<T> r = x * factor - (rounded - S::kRound);
  constexpr int degree = sizeof(S::kPower) / sizeof(T) - 1;
  Vector<T> p = Vector<T>{} + S::kPower[degree];
#pragma GCC unroll 16
  for (int k = degree - 1; k >= 0; --k) p = p * r + S::kPower[k];
  using Integer = typename S::Integer;
  return reinterpret_cast<Vector<T>>(reinterpret_cast<Integer>(p) +
                                     (reinterpret_cast<Integer>(rounded) << S::kMantissa));
}

template <class T>
using Products = Vector<T>[kRows][kVectors];

// Adds the inner products of one row panel with kColumns columns, element by element: element k of
// the columns stands at columns[k * stride].
template <class T>
inline void add_inner_products(const T* rows, const T* columns, int64_t stride, int64_t dim,
                               Products<T>& s) {
  Products<T> sum;
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = s[r][v];
  }
  for (int64_t k = 0; k < dim; ++k, rows += kRows, columns += stride) {
    Vector<T> column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) column[v] = load(columns + v * kLanes<T>);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const T row = rows[r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] += row * column[v];
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) s[r][v] = sum[r][v];
  }
}

// Inner products of one row panel with one column panel.
template <class T>
inline void inner_products(const T* rows, const T* columns, int64_t dim, Products<T>& s) {
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) s[r][v] = Vector<T>{};
  }
  add_inner_products(rows, columns, kColumns<T>, dim, s);
}

// All ones where pair (row, column + lane) counts.
template <class T, Pairs pairs>
inline typename Simd<T>::Integer counts(int64_t row, int64_t column) {
  typename Simd<T>::Integer lane;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
  const auto before = static_cast<decltype(lane[0] + 0)>(row - column);
  if constexpr (pairs == Pairs::kColumnBefore) return lane < before;
  if constexpr (pairs == Pairs::kColumnAfter) return lane > before;
  return lane != before;
}

// The step's matrix elements: for what rows receive, and for what columns do (the same array where
// exponents are not shifted).
template <class T, Term term, Pairs pairs, bool shifted>
inline void elements(const TileProduct<T>& t, const Products<T>& s, int64_t row, int64_t column,
                     Products<T>& to_rows, Products<T>& to_columns) {
  // What rows receive is relative to the row where shifts follow the receiver.
  const bool by_row = t.shift_by_receiver;
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const auto finish = [&](Vector<T> f) {
        if constexpr (term == Term::kH) f *= s[r][v];
        if constexpr (pairs != Pairs::kAll) {
          using Integer = typename Simd<T>::Integer;
          f = reinterpret_cast<Vector<T>>(reinterpret_cast<Integer>(f) &
                                          counts<T, pairs>(row + r, column + v * kLanes<T>));
        }
        return f;
      };
      if constexpr (shifted) {
        const Vector<T> row_m = Vector<T>{} + t.row_shift[row + r];
        const Vector<T> column_m = load(t.column_shift + column + v * kLanes<T>);
        to_rows[r][v] = finish(power_of_two<T, true>(s[r][v], t.scale, by_row ? row_m : column_m));
        to_columns[r][v] =
            finish(power_of_two<T, true>(s[r][v], t.scale, by_row ? column_m : row_m));
      } else {
        to_rows[r][v] = finish(power_of_two<T, false>(s[r][v], t.scale, Vector<T>{}));
      }
    }
  }
}

// Adds num columns of weights' sums of one step; row sums stay vectors until the panel is done.
template <class T, int num>
inline void add_sums(const TileProduct<T>& t, int64_t first_weight, int64_t row, int64_t column,
                     const Products<T>& to_rows, const Products<T>& to_columns,
                     Vector<T>* row_sums) {
#pragma GCC unroll 4
  for (int c = 0; c < num; ++c) {
    const int64_t offset = (first_weight + c) * t.stride;
    const T* give = t.row_in + offset + row;
    T* receive = t.column_out + (first_weight + c) * t.column_out_stride + column;
    Vector<T> in[kVectors], out[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      in[v] = load(t.column_in + offset + column + v * kLanes<T>);
      out[v] = load(receive + v * kLanes<T>);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      Vector<T> sum = row_sums[c * kRows + r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sum += to_rows[r][v] * in[v];
        out[v] += to_columns[r][v] * give[r];
      }
      row_sums[c * kRows + r] = sum;
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(receive + v * kLanes<T>, out[v]);
  }
}

constexpr int kMostWeights = 16;  // columns of weights in one visit of a tile

template <class T, Term term, Pairs pairs, bool shifted>
void multiply_tile(const TileProduct<T>& t, int64_t first_weight, int64_t end_weight,
                   bool computed) {
  Vector<T> row_sums[kMostWeights * kRows];
  Products<T> scratch, to_rows, other;
  for (int64_t row = 0; row < t.num_rows; row += kRows) {
    for (int64_t i = 0; i < (end_weight - first_weight) * kRows; ++i) row_sums[i] = Vector<T>{};
    for (int64_t column = 0; column < t.num_columns; column += kColumns<T>) {
      // Steps lie one after the other in `products`.
      Products<T>* s = &scratch;
      if (t.products != nullptr) {
        s = reinterpret_cast<Products<T>*>(t.products + row * kBlock + column * kRows);
      }
      if (t.products == nullptr || !computed) {
        inner_products<T>(t.rows + row * t.dim, t.columns + column * t.dim, t.dim, *s);
      }
      elements<T, term, pairs, shifted>(t, *s, row, column, to_rows, other);
      const Products<T>& to_columns = shifted ? other : to_rows;
      int64_t c = first_weight;
      for (; c + 4 <= end_weight; c += 4) {
        add_sums<T, 4>(t, c, row, column, to_rows, to_columns,
                       row_sums + (c - first_weight) * kRows);
      }
      Vector<T>* rest = row_sums + (c - first_weight) * kRows;
      if (end_weight - c == 3) add_sums<T, 3>(t, c, row, column, to_rows, to_columns, rest);
      if (end_weight - c == 2) add_sums<T, 2>(t, c, row, column, to_rows, to_columns, rest);
      if (end_weight - c == 1) add_sums<T, 1>(t, c, row, column, to_rows, to_columns, rest);
    }
    for (int64_t c = first_weight; c < end_weight; ++c) {
      for (int r = 0; r < kRows; ++r) {
        const Vector<T> sums = row_sums[(c - first_weight) * kRows + r];
        T sum = 0;
        for (int i = 0; i < kLanes<T>; ++i) sum += sums[i];
        t.row_out[c * t.stride + row + r] += sum;
      }
    }
  }
}

template <class T, Term term, Pairs pairs>
void multiply_pairs(const TileProduct<T>& t) {
  bool computed = t.computed;
  for (int64_t first_weight = 0; first_weight < t.num_weights; first_weight += kMostWeights) {
    const int64_t end_weight =
        first_weight + kMostWeights < t.num_weights ? first_weight + kMostWeights : t.num_weights;
    if (t.row_shift != nullptr) {
      multiply_tile<T, term, pairs, true>(t, first_weight, end_weight, computed);
    } else {
      multiply_tile<T, term, pairs, false>(t, first_weight, end_weight, computed);
    }
    computed = true;
  }
}

template <class T, Term term>
void multiply_term(const TileProduct<T>& t) {
  switch (t.pairs) {
    case Pairs::kAll:
      return multiply_pairs<T, term, Pairs::kAll>(t);
    case Pairs::kOthers:
      return multiply_pairs<T, term, Pairs::kOthers>(t);
    case Pairs::kColumnBefore:
      return multiply_pairs<T, term, Pairs::kColumnBefore>(t);
    case Pairs::kColumnAfter:
      return multiply_pairs<T, term, Pairs::kColumnAfter>(t);
  }
}

template <class T>
void multiply(const TileProduct<T>& t) {
  return t.term == Term::kE ? multiply_term<T, Term::kE>(t) : multiply_term<T, Term::kH>(t);
}

// The coefficients of one step, scattered for the product that follows: of column j and row r at
// [(column + j) * kRows + r].
template <class T>
inline void step_coefficients(const TileGradient<T>& t, int64_t row, int64_t column, T* to) {
  Products<T> s, a, later, earlier;
  inner_products<T>(t.rows + row * t.dim, t.columns + column * t.dim, t.dim, s);
  const int64_t row_factors = row * t.num_factors, column_factors = column * t.num_factors;
  inner_products<T>(t.row_a + row_factors, t.column_a + column_factors, t.num_factors, a);
  const bool weighted = t.row_later != nullptr;
  if (weighted && t.later) {
    inner_products<T>(t.row_later + row_factors, t.column_later + column_factors, t.num_factors,
                      later);
  }
  if (weighted && t.earlier) {
    inner_products<T>(t.row_earlier + row_factors, t.column_earlier + column_factors, t.num_factors,
                      earlier);
  }
  using Integer = typename Simd<T>::Integer;
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      Vector<T> e = power_of_two<T, false>(s[r][v], t.scale, Vector<T>{});
      const int64_t first_column = column + v * kLanes<T>;
      if (t.later && t.earlier) {
        e = reinterpret_cast<Vector<T>>(reinterpret_cast<Integer>(e) &
                                        counts<T, Pairs::kOthers>(row + r, first_column));
      }
      Vector<T> coefficient = a[r][v];
      if (weighted) {
        const Vector<T> w =
            !t.earlier ? later[r][v]
            : !t.later ? earlier[r][v]
                       : (counts<T, Pairs::kColumnBefore>(row + r, first_column) ? later[r][v]
                                                                                 : earlier[r][v]);
        coefficient += (s[r][v] * t.inverse_temperature + T{1}) * w;
      }
      coefficient *= e;
      for (int i = 0; i < kLanes<T>; ++i) to[(first_column + i) * kRows + r] = coefficient[i];
    }
  }
}

template <class T>
void gradient(const TileGradient<T>& t) {
  alignas(64) T coefficients[kBlock * kRows];
  for (int64_t row = 0; row < kBlock; row += kRows) {
    for (int64_t column = 0; column < t.num_columns; column += kColumns<T>) {
      step_coefficients(t, row, column, coefficients);
    }
    for (int64_t k = 0; k < t.width; k += kColumns<T>) {
      Products<T> out;
      T* const to = t.out + row * t.width + k;
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) out[r][v] = load(to + r * t.width + v * kLanes<T>);
      }
      add_inner_products<T>(coefficients, t.column_views + k, t.width, t.num_columns, out);
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) store(to + r * t.width + v * kLanes<T>, out[r][v]);
      }
    }
  }
}

template <class T>
constexpr PairKernels<T> kKernels = {IPIRM_KERNEL_NAME, kRows, kColumns<T>, multiply<T>,
                                     gradient<T>};

}  // namespace
}  // namespace ipirm::ops::IPIRM_KERNEL_SET

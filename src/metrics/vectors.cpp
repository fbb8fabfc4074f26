// Four rows at once: a sum is loaded and stored once for four products. Processors with AVX2 take
// four numbers at a time where others take two, which changes no bit: each is summed as before.
#include "metrics/vectors.h"

namespace ipirm::metrics {
namespace {

using AddRows = void (*)(double* sum, const double* factors, const double* const* rows,
                         int64_t count);

[[gnu::always_inline]] inline void add_rows_in_turn(double* __restrict sum, const double* factors,
                                                    const double* const* rows, int64_t count) {
  const double* __restrict a = rows[0];
  const double* __restrict b = rows[1];
  const double* __restrict c = rows[2];
  const double* __restrict d = rows[3];
  const double of_a = factors[0], of_b = factors[1], of_c = factors[2], of_d = factors[3];
  for (int64_t j = 0; j < count; ++j)
    sum[j] += (of_a * a[j] + of_b * b[j]) + (of_c * c[j] + of_d * d[j]);
}

void add_rows_anywhere(double* sum, const double* factors, const double* const* rows,
                       int64_t count) {
  add_rows_in_turn(sum, factors, rows, count);
}

#ifdef __x86_64__
[[gnu::target("avx2")]] void add_rows_avx2(double* sum, const double* factors,
                                           const double* const* rows, int64_t count) {
  add_rows_in_turn(sum, factors, rows, count);
}

AddRows fastest() { return __builtin_cpu_supports("avx2") ? add_rows_avx2 : add_rows_anywhere; }
#else
AddRows fastest() { return add_rows_anywhere; }
#endif

}  // namespace

void add_rows(double* sum, const double (&factors)[kRowsAtOnce],
              const double* const (&rows)[kRowsAtOnce], int64_t count) {
  static const AddRows chosen = fastest();
  chosen(sum, factors, rows, count);
}

void add_row(double* __restrict sum, double factor, const double* __restrict row, int64_t count) {
  for (int64_t j = 0; j < count; ++j) sum[j] += factor * row[j];
}

double inner(const double* a, const double* b, int64_t count) {
  double parts[4] = {0, 0, 0, 0};
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    for (int64_t part = 0; part < 4; ++part) parts[part] += a[j + part] * b[j + part];
  }
  for (; j < count; ++j) parts[0] += a[j] * b[j];
  return (parts[0] + parts[1]) + (parts[2] + parts[3]);
}

}  // namespace ipirm::metrics

// Row maxima of the logits, block of rows by block of rows.
#include "ops/row_maxima.h"

#include <algorithm>
#include <limits>

namespace ipirm::ops {
namespace {

constexpr int64_t kBlockBytes = int64_t{16} << 20;

// Largest inner products of rows with columns over T, (rows); without those of equal number where
// `without_own`.
at::Tensor largest(const at::Tensor& rows, const at::Tensor& columns, double temperature,
                   bool without_own) {
  const int64_t m = columns.size(0);
  const int64_t height = std::clamp<int64_t>(kBlockBytes / (m * rows.element_size()), 1, m);
  auto out = at::empty({rows.size(0)}, rows.options());
  for (int64_t begin = 0; begin < rows.size(0); begin += height) {
    const int64_t end = std::min(begin + height, rows.size(0));
    auto logits = at::mm(rows.slice(0, begin, end), columns.t()).div_(temperature);
    if (without_own) {
      logits.narrow(1, begin, end - begin)
          .diagonal()
          .fill_(-std::numeric_limits<double>::infinity());
    }
    out.slice(0, begin, end).copy_(logits.amax(1));
  }
  return out;
}

}  // namespace

void row_maxima(const at::Tensor& z1, const at::Tensor& z2, const std::optional<at::Tensor>& index,
                double temperature, at::Tensor first, at::Tensor second) {
  const auto z =
      index ? at::cat({z1.index_select(0, *index), z2.index_select(0, *index)}) : at::cat({z1, z2});
  const auto maxima = largest(z, z, temperature, /*without_own=*/true);
  const int64_t n = z.size(0) / 2;
  first.copy_(maxima.slice(0, 0, n).unsqueeze(0));
  second.copy_(maxima.slice(0, n, 2 * n).unsqueeze(0));
}

void cross_row_maxima(const at::Tensor& z1, const at::Tensor& z2, double temperature,
                      at::Tensor out) {
  out.copy_(largest(z1, z2, temperature, /*without_own=*/false).unsqueeze(0));
}

}  // namespace ipirm::ops

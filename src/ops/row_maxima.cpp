// Row maxima of the logits, block of rows by block of rows.
#include "ops/row_maxima.h"

#include <algorithm>
#include <limits>

namespace ipirm::ops {
namespace {

constexpr int64_t kBlockBytes = int64_t{16} << 20;

}  // namespace

void row_maxima(const at::Tensor& z1, const at::Tensor& z2, const std::optional<at::Tensor>& index,
                double temperature, at::Tensor first, at::Tensor second) {
  const auto z =
      index ? at::cat({z1.index_select(0, *index), z2.index_select(0, *index)}) : at::cat({z1, z2});
  const int64_t m = z.size(0), n = m / 2;
  const int64_t rows = std::clamp<int64_t>(kBlockBytes / (m * z.element_size()), 1, m);
  auto maxima = at::empty({m}, z.options());
  for (int64_t begin = 0; begin < m; begin += rows) {
    const int64_t end = std::min(begin + rows, m);
    auto logits = at::mm(z.slice(0, begin, end), z.t()).div_(temperature);
    logits.narrow(1, begin, end - begin).diagonal().fill_(-std::numeric_limits<double>::infinity());
    maxima.slice(0, begin, end).copy_(logits.amax(1));
  }
  first.copy_(maxima.slice(0, 0, n).unsqueeze(0));
  second.copy_(maxima.slice(0, n, m).unsqueeze(0));
}

}  // namespace ipirm::ops

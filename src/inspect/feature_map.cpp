// Principal components of features, and their map as a picture.
#include <ATen/ATen.h>

#include <algorithm>

#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"

namespace ipirm::inspect {
namespace {

constexpr int kSide = 640, kMargin = 14, kLegend = 150, kLine = 17;
constexpr double kLeastVariance = 1e-12;  // of the largest: below it is rounding
constexpr int64_t kMostNamed = 20;        // values that the legend names

// The n directions of greatest variance of centred rows (N, F), (F, n), and their variances times
// N, the larger first.
std::pair<torch::Tensor, torch::Tensor> directions(const torch::Tensor& rows, int64_t n) {
  const bool wide = rows.size(1) > rows.size(0);
  const auto product = wide ? rows.mm(rows.t()) : rows.t().mm(rows);
  const auto [values, vectors] = at::linalg_eigh(product);  // ascending
  const int64_t last = values.size(0);
  const int64_t found = std::min(n, last);
  auto largest = values.slice(0, last - found, last).flip(0).clamp_min(0);
  auto axes = vectors.slice(1, last - found, last).flip(1);
  if (wide) {  // v = rowsᵀ u / |rowsᵀ u|
    axes = rows.t().mm(axes);
    axes = axes / axes.norm(2, {0}, /*keepdim=*/true).clamp_min(1e-300);
  }
  if (found < n) {  // few samples have no further directions
    axes = at::cat({axes, axes.new_zeros({axes.size(0), n - found})}, 1);
    largest = at::cat({largest, largest.new_zeros({n - found})});
  }
  const auto there = (largest > kLeastVariance * largest.max()).to(axes.scalar_type());
  return {axes * there, largest * there};
}

}  // namespace

Components principal_components(const torch::Tensor& features, int64_t n) {
  auto rows = features.to(torch::kCPU, torch::kFloat64);
  rows = rows - rows.mean(0, /*keepdim=*/true);
  auto [axes, variance] = directions(rows, n);
  const auto largest = axes.gather(0, axes.abs().argmax(0, /*keepdim=*/true));  // (1, n)
  axes = axes * at::where(largest < 0, -1.0, 1.0);
  Components result{rows.mm(axes), {}};
  const double all = rows.square().sum().item<double>();
  for (int64_t i = 0; i < n; ++i)
    result.share.push_back(all > 0 ? std::min(1.0, variance[i].item<double>() / all) : 0);
  return result;
}

Picture map_picture(const Components& map, const data::Factor& factor) {
  const bool named = factor.num_values <= kMostNamed;
  Picture picture(kSide + (named ? kLegend : 0), kSide);
  const double reach = std::max(map.points.slice(1, 0, 2).abs().max().item<double>(), 1e-12);
  const double scale = (kSide / 2.0 - kMargin) / reach;
  const auto points = map.points.contiguous();
  const double* at = points.const_data_ptr<double>();
  const int64_t width = points.size(1);
  const int radius = points.size(0) > 2000 ? 2 : 3;
  for (int64_t i = 0; i < points.size(0); ++i) {
    const int64_t value = factor.values[static_cast<size_t>(i)];
    picture.dot(kSide / 2.0 + at[i * width] * scale, kSide / 2.0 - at[i * width + 1] * scale,
                radius, value < 0 ? kFaint : colour_of(value, factor.num_values));
  }
  if (!named) return picture;
  picture.write(factor.name, kSide + 4, kLine, kLegend - 8);
  for (int v = 0; v < factor.num_values; ++v) {
    const int y = (v + 2) * kLine;
    picture.dot(kSide + 10, y - 4, 5, colour_of(v, factor.num_values));
    picture.write(value_name(factor, v), kSide + 22, y, kLegend - 28);
  }
  return picture;
}

}  // namespace ipirm::inspect

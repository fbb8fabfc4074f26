// Counts which classes are taken for which, and shows them as a square of squares.
#include <algorithm>
#include <cmath>

#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"

namespace ipirm::inspect {
namespace {

constexpr int kSide = 560, kNames = 110, kHeading = 24;
constexpr int kNamedFrom = 12;    // pixels of a square beside which a name fits
constexpr int kCountedFrom = 28;  // and into which a number fits

}  // namespace

Confusion confusion_of(const torch::Tensor& predicted, const torch::Tensor& labels,
                       int64_t classes) {
  const auto n = static_cast<size_t>(classes);
  Confusion result;
  result.counts.assign(n, std::vector<int64_t>(n, 0));
  TORCH_INTERNAL_ASSERT(classes >= 1 && predicted.numel() == labels.numel());
  const auto found = predicted.to(torch::kCPU).contiguous();
  const auto known = labels.to(torch::kCPU).contiguous();
  const int64_t *p = found.const_data_ptr<int64_t>(), *l = known.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < known.numel(); ++i) {
    TORCH_INTERNAL_ASSERT(p[i] >= 0 && p[i] < classes && l[i] < classes);
    if (l[i] >= 0) ++result.counts[static_cast<size_t>(l[i])][static_cast<size_t>(p[i])];
  }
  int64_t right = 0, all = 0, with_samples = 0;
  for (size_t c = 0; c < n; ++c) {
    int64_t of_class = 0;
    for (const int64_t count : result.counts[c]) of_class += count;
    const int64_t own = result.counts[c][c];
    result.accuracy.push_back(
        of_class > 0 ? 100.0 * static_cast<double>(own) / static_cast<double>(of_class) : -1);
    right += own;
    all += of_class;
    if (of_class == 0) continue;
    ++with_samples;
    result.mean += result.accuracy.back();
  }
  if (with_samples > 0) result.mean /= static_cast<double>(with_samples);
  if (all > 0) result.overall = 100.0 * static_cast<double>(right) / static_cast<double>(all);
  return result;
}

Picture confusion_picture(const Confusion& confusion, const data::Factor& factor) {
  const auto n = static_cast<int>(confusion.counts.size());
  const int square = std::max(2, kSide / n);
  Picture picture(kNames + n * square + 4, kHeading + n * square + 4);
  picture.write("row: " + factor.name + "; column: taken for, in the same order", 4, 15,
                picture.width() - 8);
  for (int row = 0; row < n; ++row) {
    const auto& counts = confusion.counts[static_cast<size_t>(row)];
    int64_t all = 0;
    for (const int64_t count : counts) all += count;
    const int y = kHeading + row * square;
    if (square >= kNamedFrom)
      picture.write(value_name(factor, row), 4, y + square / 2 + 4, kNames - 10);
    for (int column = 0; column < n; ++column) {
      const int64_t count = counts[static_cast<size_t>(column)];
      const double share = all > 0 ? static_cast<double>(count) / static_cast<double>(all) : 0;
      const auto fade = [&](int end) {
        return static_cast<uint8_t>(std::lround(245 + share * (end - 245)));
      };
      const int x = kNames + column * square;
      picture.fill(x, y, square - (square > 4), square - (square > 4),
                   {fade(8), fade(69), fade(148)});
      if (square >= kCountedFrom && count > 0) {
        picture.write(std::to_string(count), x + 3, y + square / 2 + 4, square - 4,
                      share > .5 ? kPaper : kInk);
      }
    }
  }
  return picture;
}

}  // namespace ipirm::inspect

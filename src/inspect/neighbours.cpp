// Finds the nearest samples, and shows them in rows.
#include <ATen/ATen.h>

#include <algorithm>

#include "ipirm/core/text.h"
#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"

namespace ipirm::inspect {
namespace {

constexpr int kMargin = 8, kLine = 14, kGap = 24, kFrame = 3, kLeastCell = 84;
constexpr Colour kAlike{30, 142, 62}, kOther{217, 48, 37};

}  // namespace

Neighbours nearest(const torch::Tensor& queries, const torch::Tensor& bank, int64_t n) {
  const auto similarity = queries.mm(bank.t());
  // A stable sort, so that of equal ones the first in the bank is the nearer.
  const auto [sorted, order] =
      at::sort(similarity, /*stable=*/true, /*dim=*/1, /*descending=*/true);
  const int64_t most = std::min(n, bank.size(0));
  return {order.slice(1, 0, most).to(torch::kCPU).contiguous(),
          sorted.slice(1, 0, most).to(torch::kCPU).contiguous()};
}

Picture neighbour_sheet(const data::ImageSet& query_set, const std::vector<int64_t>& query_index,
                        const data::ImageSet& bank_set, const Neighbours& neighbours) {
  std::vector<uint8_t> scratch;
  int stored = 0;
  if (!query_set.differing_sizes()) {
    const auto image = query_set.image(query_index.front(), scratch);
    stored = std::max(image.height, image.width);
  }
  const int side = shown_side(stored), cell = std::max(side, kLeastCell);
  const int row = side + 2 * kLine + kMargin;
  const auto n = static_cast<int>(neighbours.index.size(1));
  Picture sheet(2 * kMargin + cell + kGap + n * (cell + kMargin),
                2 * kMargin + static_cast<int>(query_index.size()) * row);
  for (size_t q = 0; q < query_index.size(); ++q) {
    const int top = kMargin + static_cast<int>(q) * row;
    sheet.draw(query_set.image(query_index[q], scratch), kMargin, top, side);
    sheet.write(caption(query_set, query_index[q]), kMargin, top + side + kLine, cell);
    for (int i = 0; i < n; ++i) {
      const auto found = neighbours.index[static_cast<int64_t>(q)][i].item<int64_t>();
      const int left = kMargin + cell + kGap + i * (cell + kMargin);
      sheet.draw(bank_set.image(found, scratch), left, top, side);
      const bool alike = bank_set.label(found) == query_set.label(query_index[q]);
      sheet.frame(left, top, side, side, kFrame, alike ? kAlike : kOther);
      sheet.write(caption(bank_set, found), left, top + side + kLine, cell);
      sheet.write(
          core::with_digits(neighbours.similarity[static_cast<int64_t>(q)][i].item<double>(), 3),
          left, top + side + 2 * kLine - 1, cell, kFaint);
    }
  }
  return sheet;
}

}  // namespace ipirm::inspect

// Chooses images by their certainty, counts, and lays out contact sheets.
#include "ipirm/inspect/partition_view.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ipirm/core/text.h"
#include "ipirm/partition/partition_set.h"

namespace ipirm::inspect {
namespace {

constexpr int kColumns = 8, kMargin = 6, kLine = 14, kLeastCell = 84;
constexpr int kGap = 22;  // between the most and the least certain, with a line of words

int rows_of(size_t images) { return (static_cast<int>(images) + kColumns - 1) / kColumns; }

// Draws images row by row from `top` on.
void lay_out(Picture& sheet, const data::ImageSet& set, const std::vector<Placed>& images, int side,
             int cell, int top) {
  std::vector<uint8_t> scratch;
  for (size_t i = 0; i < images.size(); ++i) {
    const int left = kMargin + static_cast<int>(i % kColumns) * (cell + kMargin);
    const int y = top + static_cast<int>(i / kColumns) * (side + 2 * kLine + kMargin);
    sheet.draw(set.image(images[i].index, scratch), left, y, side);
    sheet.write(caption(set, images[i].index), left, y + side + kLine - 3, cell);
    sheet.write(core::with_digits(images[i].certainty, 3), left, y + side + 2 * kLine - 3, cell,
                kFaint);
  }
}

}  // namespace

std::vector<Chosen> choose_images(const torch::Tensor& logits, int64_t images) {
  const auto weights = logits.to(torch::kCPU, torch::kFloat64).softmax(1);
  const auto environment = partition::environment_of(logits).to(torch::kCPU);
  const auto own = weights.gather(1, environment.unsqueeze(1)).squeeze(1);
  std::vector<Chosen> result;
  for (int64_t e = 0; e < logits.size(1); ++e) {
    const auto members = environment.eq(e).nonzero().squeeze(1);  // ascending
    const auto [sorted, order] = at::sort(own.index_select(0, members), /*stable=*/true, /*dim=*/0,
                                          /*descending=*/true);
    const auto ranked = members.index_select(0, order);
    const auto take = [&](int64_t from, int64_t to) {
      std::vector<Placed> part;
      for (int64_t i = from; i < to; ++i)
        part.push_back({ranked[i].item<int64_t>(), sorted[i].item<double>()});
      return part;
    };
    const int64_t size = members.size(0);
    const int64_t most = size <= images ? size : (images + 1) / 2;
    const int64_t least = size <= images ? 0 : images - most;
    result.push_back({size, take(0, most), take(size - least, size)});
  }
  return result;
}

FactorTable factor_table(const torch::Tensor& environment, int64_t environments,
                         const data::Factor& factor) {
  FactorTable table;
  const auto n = static_cast<int64_t>(factor.values.size());
  const auto values = torch::tensor(factor.values, torch::kInt64);
  TORCH_INTERNAL_ASSERT(environment.numel() == n);
  table.share = partition::factor_share(environment, {factor.name, values});
  table.counts.assign(static_cast<size_t>(environments),
                      std::vector<int64_t>(static_cast<size_t>(factor.num_values), 0));
  const auto host = environment.contiguous();
  const int64_t* of = host.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t value = factor.values[static_cast<size_t>(i)];
    if (value < 0) {
      ++table.unknown;
    } else {
      ++table.counts[static_cast<size_t>(of[i])][static_cast<size_t>(value)];
    }
  }
  return table;
}

std::string value_name(const data::Factor& factor, int64_t value) {
  return value < 0 ? "?" : factor.shown_name_of(value);
}

std::string caption(const data::ImageSet& set, int64_t index) {
  std::string text;
  for (const auto& factor : set.factors()) {
    const auto name = value_name(factor, factor.values[static_cast<size_t>(index)]);
    text += text.empty() ? name : ", " + factor.name + " " + name;
  }
  return text;
}

Picture contact_sheet(const data::ImageSet& set, const Chosen& chosen) {
  std::vector<uint8_t> scratch;
  const auto& some = chosen.most.empty() ? chosen.least : chosen.most;
  int stored = 0;
  if (!some.empty() && !set.differing_sizes()) {
    const auto image = set.image(some.front().index, scratch);
    stored = std::max(image.height, image.width);
  }
  const int side = shown_side(stored), cell = std::max(side, kLeastCell);
  const int row = side + 2 * kLine + kMargin;
  const int first = rows_of(chosen.most.size()) * row, second = rows_of(chosen.least.size()) * row;
  const int gap = chosen.least.empty() ? 0 : kGap;
  Picture sheet(kMargin + kColumns * (cell + kMargin), 2 * kMargin + first + gap + second);
  lay_out(sheet, set, chosen.most, side, cell, kMargin);
  if (gap > 0) {
    sheet.write("the least certain:", kMargin, kMargin + first + kGap - 8, sheet.width(), kFaint);
    lay_out(sheet, set, chosen.least, side, cell, kMargin + first + gap);
  }
  return sheet;
}

}  // namespace ipirm::inspect

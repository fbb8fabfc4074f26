// Chooses an environment's images by their certainty, and draws them.
#include "observe/contact_sheet.h"

#include <torch/utils.h>

#include <algorithm>
#include <cstdint>

#include "observe/picture.h"

namespace ipirm::observe {
namespace {

constexpr int kColumns = 8, kHalf = 32, kSide = 64, kGap = 2, kMiddle = 16;  // the last 3: pixels

struct Chosen {
  std::vector<int64_t> images;
  bool has_gap = false;  // after the first kHalf
};

// Of images in falling certainty.
Chosen both_ends(const std::vector<int64_t>& sorted) {
  if (sorted.size() <= 2 * kHalf) return {sorted, false};
  std::vector<int64_t> ends(sorted.begin(), sorted.begin() + kHalf);
  ends.insert(ends.end(), sorted.end() - kHalf, sorted.end());
  return {std::move(ends), true};
}

PngImage sheet_of(const data::ImageSet& set, const Chosen& chosen) {
  const int count = static_cast<int>(chosen.images.size());
  if (count == 0) return {};
  const int rows = (count + kColumns - 1) / kColumns, cell = kSide + kGap;
  Picture picture(rows * cell + (chosen.has_gap ? kMiddle : 0), kColumns * cell);
  std::vector<uint8_t> scratch;
  for (int i = 0; i < count; ++i) {
    const int top = i / kColumns * cell + (chosen.has_gap && i >= kHalf ? kMiddle : 0);
    picture.draw(set.image(chosen.images[static_cast<size_t>(i)], scratch), top,
                 i % kColumns * cell, kSide);
  }
  return {picture.height(), picture.width(), picture.png()};
}

}  // namespace

std::vector<PngImage> contact_sheets(const data::ImageSet& set, const torch::Tensor& logits) {
  const torch::NoGradGuard no_grad;
  const auto weights = logits.detach().to(torch::kCPU, torch::kFloat64).softmax(1);
  const auto [certainty, environment] = weights.max(1);
  const auto order = std::get<1>(certainty.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  std::vector<std::vector<int64_t>> images(static_cast<size_t>(logits.size(1)));
  const auto of = environment.accessor<int64_t, 1>();
  const auto sorted = order.accessor<int64_t, 1>();
  for (int64_t i = 0; i < sorted.size(0); ++i)
    images[static_cast<size_t>(of[sorted[i]])].push_back(sorted[i]);
  std::vector<PngImage> sheets;
  for (const auto& members : images) sheets.push_back(sheet_of(set, both_ends(members)));
  return sheets;
}

}  // namespace ipirm::observe

// Which images of its training set a linear evaluation trains on, and which it holds out.
#include "eval/linear_split.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/data/subset.h"

namespace ipirm::eval {
namespace {

constexpr double kHeldShare = .1;

// `share` of n > 0 images, rounded: one at least.
size_t share_of(size_t n, double share) {
  const auto rounded = std::llround(share * static_cast<double>(n));
  return static_cast<size_t>(std::max<long long>(rounded, 1));
}

}  // namespace

const data::Factor& known_factor(const data::ImageSet& set, int factor, const char* part) {
  const auto& factors = set.factors();
  if (factor < 0 || static_cast<size_t>(factor) >= factors.size()) {
    std::string names;
    for (const data::Factor& f : factors) names += (names.empty() ? "" : ", ") + f.name;
    throw core::UserError(core::cat("factor ", factor, " of the ", part,
                                    " images: there is none; expected 0 to ", factors.size() - 1,
                                    " (", names, ")"));
  }
  const data::Factor& chosen = factors[static_cast<size_t>(factor)];
  for (size_t i = 0; i < chosen.values.size(); ++i) {
    if (chosen.values[i] >= 0 && chosen.values[i] < chosen.num_values) continue;
    throw core::UserError(core::cat("factor ", chosen.name, " of the ", part, " images: image ", i,
                                    " has ", chosen.values[i], "; expected 0 to ",
                                    chosen.num_values - 1,
                                    " (a linear evaluation needs every image labelled)"));
  }
  return chosen;
}

LinearSplit split_for_linear(const data::ImageSet& all, const LinearOptions& options) {
  const std::shared_ptr<const data::ImageSet> whole(
      &all, [](const data::ImageSet*) { /* not ours to delete */ });
  const bool holds_out = options.num_heads() > 1;
  if (options.label_share == 1 && !holds_out) return {whole, nullptr};

  const data::Factor& classes = known_factor(all, 0, "training");
  std::vector<std::vector<int64_t>> of_class(static_cast<size_t>(classes.num_values));
  // The order of epoch 0: the epochs that train count from 1.
  const core::KeyedRandom draw(options.seed, core::Purpose::kLinearOrder, 0);
  for (const int64_t i : core::permutation(draw, all.size()))
    of_class[static_cast<size_t>(classes.values[static_cast<size_t>(i)])].push_back(i);

  std::vector<int64_t> train, held;
  for (const auto& images : of_class) {
    if (images.empty()) continue;
    const size_t labelled = share_of(images.size(), options.label_share);
    const size_t out = holds_out && labelled > 1 ? share_of(labelled, kHeldShare) : 0;
    const auto first_kept = images.begin() + static_cast<std::ptrdiff_t>(out);
    held.insert(held.end(), images.begin(), first_kept);
    train.insert(train.end(), first_kept, images.begin() + static_cast<std::ptrdiff_t>(labelled));
  }
  if (holds_out && held.empty()) {
    throw core::UserError(
        core::cat("several --lr or --weight_decay are chosen from by a tenth of the training "
                  "images, and no class has two of which one could be held out; give one value of "
                  "each, or a larger --label_share"));
  }
  std::ranges::sort(train);
  std::ranges::sort(held);
  LinearSplit split{std::make_shared<data::Subset>(whole, std::move(train)), nullptr};
  if (holds_out) split.held = std::make_shared<data::Subset>(whole, std::move(held));
  return split;
}

}  // namespace ipirm::eval

// Batches of views of an image set for the evaluations.
#include "eval/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/views.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/dist/share.h"

namespace ipirm::eval {

namespace {

// On the CPU larger images come in smaller batches, so that a batch needs no more memory than one
// of 32x32 images. Another device wants much work at a time, and keeps no graph here.
int64_t batch_size_of(const data::ViewShape& shape, const RunOptions& options) {
  return options.device.is_cpu()
             ? std::clamp<int64_t>(options.batch_size * 1024 / (shape.height * shape.width), 1,
                                   options.batch_size)
             : options.batch_size;
}

}  // namespace

std::unique_ptr<data::Loader> test_views(const data::ImageSet& set, const RunOptions& options) {
  auto [shape, make] = augment::whole_views(set, options.crop_size);
  const dist::Shares shares(set.size(), *options.group);
  std::vector<int64_t> order(static_cast<size_t>(shares.size()));
  std::iota(order.begin(), order.end(), shares.first());
  return std::make_unique<data::Loader>(std::move(order), batch_size_of(shape, options),
                                        /*drop_last=*/false, /*num_views=*/1, shape,
                                        std::move(make), options.loader);
}

int64_t test_batch_size(const data::ImageSet& set, const RunOptions& options) {
  return batch_size_of(augment::whole_views(set, options.crop_size).shape, options);
}

std::unique_ptr<data::Loader> linear_views(const data::ImageSet& set,
                                           const augment::AugmentOptions& augment, uint64_t seed,
                                           int64_t epoch, int64_t batch_size, int64_t least,
                                           const RunOptions& options) {
  auto [shape, make] = augment::augmented_views(
      set, augment, {seed, core::Purpose::kLinearView, static_cast<uint64_t>(epoch)});
  const core::KeyedRandom order(seed, core::Purpose::kLinearOrder, static_cast<uint64_t>(epoch));
  auto own =
      dist::own_part(core::permutation(order, set.size()), batch_size, *options.group, least);
  return std::make_unique<data::Loader>(
      std::move(own), dist::Shares(batch_size, *options.group, least).largest(),
      /*drop_last=*/false, /*num_views=*/1, shape, std::move(make), options.loader);
}

data::ViewShape linear_shape(const data::ImageSet& set, const augment::AugmentOptions& augment) {
  return augment::augmented_views(set, augment, {0, core::Purpose::kLinearView, 0}).shape;
}

}  // namespace ipirm::eval

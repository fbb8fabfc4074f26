// Batches of views of an image set for the evaluations.
#include "eval/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/views.h"
#include "ipirm/core/keyed_random.h"

namespace ipirm::eval {

std::unique_ptr<data::Loader> test_views(const data::ImageSet& set, const RunOptions& options) {
  auto [shape, make] = augment::whole_views(set, options.crop_size);
  std::vector<int64_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), 0);
  // On the CPU larger images come in smaller batches, so that a batch needs no more memory than one
  // of 32x32 images. Another device wants much work at a time, and keeps no graph here.
  const int64_t batch_size =
      options.device.is_cpu()
          ? std::clamp<int64_t>(options.batch_size * 1024 / (shape.height * shape.width), 1,
                                options.batch_size)
          : options.batch_size;
  return std::make_unique<data::Loader>(std::move(order), batch_size, /*drop_last=*/false,
                                        /*num_views=*/1, shape, std::move(make), options.loader);
}

std::unique_ptr<data::Loader> linear_views(const data::ImageSet& set,
                                           const augment::AugmentOptions& augment, uint64_t seed,
                                           int64_t epoch, int64_t batch_size,
                                           const RunOptions& options) {
  auto [shape, make] = augment::augmented_views(
      set, augment, {seed, core::Purpose::kLinearView, static_cast<uint64_t>(epoch)});
  const core::KeyedRandom order(seed, core::Purpose::kLinearOrder, static_cast<uint64_t>(epoch));
  return std::make_unique<data::Loader>(core::permutation(order, set.size()), batch_size,
                                        /*drop_last=*/false, /*num_views=*/1, shape,
                                        std::move(make), options.loader);
}

}  // namespace ipirm::eval

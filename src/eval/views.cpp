// Batches of views of an image set for the evaluations.
#include "eval/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/recipe.h"
#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"

namespace ipirm::eval {
namespace {

data::ViewShape shape_of_first(const data::ImageSet& set) {
  if (set.size() == 0) throw core::UserError("the image set is empty; expected at least one image");
  std::vector<uint8_t> scratch;
  const data::Image image = set.image(0, scratch);
  return {image.height, image.width};
}

struct TestViews {
  data::ViewShape shape;
  data::MakeView make;
};

// Plain views keep their image's size, and a batch needs one size.
data::MakeView plain_view(const data::ImageSet& set, data::ViewShape shape) {
  return
      [&set, shape](int64_t sample, int, std::vector<uint8_t>& scratch, const data::ViewOut& out) {
        const data::Image image = set.image(sample, scratch);
        if (image.height != shape.height || image.width != shape.width) {
          throw core::UserError(core::cat("image ", sample, " is ", image.height, "x", image.width,
                                          "; expected the size of image 0, ", shape.height, "x",
                                          shape.width));
        }
        augment::make_plain_view(image, out);
      };
}

// What is seen of an image that is not cropped at random.
TestViews test_view(const data::ImageSet& set, int crop_size) {
  const data::ViewShape first = shape_of_first(set);
  if (!set.differing_sizes()) return {first, plain_view(set, first)};
  return {{crop_size, crop_size},
          [&set, crop_size](int64_t sample, int, std::vector<uint8_t>& scratch,
                            const data::ViewOut& out) {
            augment::make_test_view(set.image(sample, scratch), crop_size, out);
          }};
}

}  // namespace

std::unique_ptr<data::Loader> test_views(const data::ImageSet& set, const RunOptions& options) {
  auto [shape, make] = test_view(set, options.crop_size);
  std::vector<int64_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), 0);
  // Larger images in smaller batches, so that a batch needs no more memory than one of 32x32
  // images.
  const int64_t batch_size = std::clamp<int64_t>(
      options.batch_size * 1024 / (shape.height * shape.width), 1, options.batch_size);
  return std::make_unique<data::Loader>(std::move(order), batch_size, /*drop_last=*/false,
                                        /*num_views=*/1, shape, std::move(make), options.loader);
}

std::unique_ptr<data::Loader> linear_views(const data::ImageSet& set,
                                           const augment::AugmentOptions& augment, uint64_t seed,
                                           int64_t epoch, int64_t batch_size,
                                           const RunOptions& options) {
  data::ViewShape shape{augment.crop_size, augment.crop_size};
  data::MakeView make;
  if (augment.recipe == augment::Recipe::kNone) {
    auto plain = test_view(set, augment.crop_size);
    shape = plain.shape;
    make = std::move(plain.make);
  } else {
    make = [&set, augment, seed, epoch](int64_t sample, int view, std::vector<uint8_t>& scratch,
                                        const data::ViewOut& out) {
      const data::Image image = set.image(sample, scratch);
      core::KeyedRandom random(seed, core::Purpose::kLinearView, static_cast<uint64_t>(epoch),
                               static_cast<uint64_t>(sample), static_cast<uint32_t>(view));
      const augment::ViewDraw draw = augment::draw_view(random, augment, image.height, image.width);
      augment::make_view(image, draw, augment.crop_size, out);
    };
  }
  const core::KeyedRandom order(seed, core::Purpose::kLinearOrder, static_cast<uint64_t>(epoch));
  return std::make_unique<data::Loader>(core::permutation(order, set.size()), batch_size,
                                        /*drop_last=*/false, /*num_views=*/1, shape,
                                        std::move(make), options.loader);
}

}  // namespace ipirm::eval

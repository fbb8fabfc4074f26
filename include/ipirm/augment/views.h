// Ways to make the views of an image set, for a loader: augmented, plain, or left to the device.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ipirm/augment/options.h"
#include "ipirm/augment/recipe.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image_set.h"
#include "ipirm/data/loader.h"

namespace ipirm::augment {

// What a loader needs to make views. Each function below makes it for a set that must outlive it,
// and throws UserError for a set without images.
struct Views {
  data::ViewShape shape;
  data::MakeView make;
};

// What the draws of a pass are keyed by, beside the sample and the view.
struct DrawKey {
  uint64_t seed = 1234;
  core::Purpose purpose = core::Purpose::kTrainView;
  uint64_t epoch = 0;
};

// What is seen of images that are not cropped at random: the whole image at its own size; of a set
// of differing_sizes() the middle, resized to crop_size. `make` throws UserError where a set that
// claims one size has an image of another.
Views whole_views(const data::ImageSet& set, int crop_size);

// Training views of crop_size; whole ones with Recipe::kNone.
Views augmented_views(const data::ImageSet& set, const AugmentOptions& options, const DrawKey& key);

// What augmented_views() would start from: the stored image in 8 bits, and beside it the numbers of
// its draw (write_draw), so that a device can make the view. For loaders of Pixels::kByte and sets
// whose images are of one size; `make` throws UserError otherwise.
Views drawn_views(const data::ImageSet& set, const AugmentOptions& options, const DrawKey& key);

// A draw as kDrawNumbers numbers, and back: top, left, height, width, flip, jitter, the order (4),
// brightness, contrast, saturation, hue, grayscale, blur, sigma.
inline constexpr int kDrawNumbers = 17;
void write_draw(const ViewDraw& draw, double* numbers);
ViewDraw read_draw(const double* numbers);

// Views (B, 3, H, W) as a network takes them, on the device where they lie. Those that a loader of
// Pixels::kByte gives (uint8) become float32, equal in every bit to those of Pixels::kFloat; those
// of a floating-point type come back as they are. Keeps the memory format.
torch::Tensor normalised(const torch::Tensor& views);

}  // namespace ipirm::augment

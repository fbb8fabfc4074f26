// Settings of the augmentation (METHOD 2).
#pragma once

#include "ipirm/core/names.h"

namespace ipirm::augment {

enum class Recipe {
  kSimclr,  // the whole of METHOD 2
  kNone     // to [0,1] and normalise only
};

struct AugmentOptions {
  Recipe recipe = Recipe::kSimclr;
  int crop_size = 32;            // side of a training view, pixels, >= 8
  double crop_scale_min = 0.08;  // smallest share of the area that a crop covers, (0, 1]
  double hflip = 0.5;            // probability of a horizontal flip, [0, 1]
  double jitter = 1.0;           // strength: factors in 1 +- .4 jitter, hue in +- .1 jitter; [0, 2]
  double jitter_probability = 0.8;  // [0, 1]
  double grayscale = 0.2;           // probability, [0, 1]
  double blur = 0.5;                // probability, [0, 1]
};

}  // namespace ipirm::augment

template <>
struct ipirm::core::NamesOf<ipirm::augment::Recipe> {
  static constexpr Named<ipirm::augment::Recipe> kNames[] = {
      {ipirm::augment::Recipe::kSimclr, "simclr"}, {ipirm::augment::Recipe::kNone, "none"}};
};

// Draws the random parameters of a training view.
#include <algorithm>
#include <cmath>
#include <utility>

#include "ipirm/augment/recipe.h"

namespace ipirm::augment {
namespace {

constexpr double kNarrowest = 3.0 / 4.0, kWidest = 4.0 / 3.0;  // width over height
constexpr int kTries = 10;

// 0 .. n-1 from a uniform draw: unlike KeyedRandom::below always one draw, and biased by less than
// n / 2^53.
int index_below(double uniform, int n) { return std::min(static_cast<int>(uniform * n), n - 1); }

// Python's int(round(x)): halves to even.
int rounded(double x) { return static_cast<int>(std::nearbyint(x)); }

// torchvision's RandomResizedCrop.get_params, the place given by two uniform draws.
void draw_crop(core::KeyedRandom& random, double scale_min, int height, int width, double down,
               double right, ViewDraw& draw) {
  const double area = static_cast<double>(height) * width;
  const double log_narrowest = std::log(kNarrowest), log_widest = std::log(kWidest);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const double target = area * random.uniform(scale_min, 1.0);
    const double ratio = std::exp(random.uniform(log_narrowest, log_widest));
    draw.width = rounded(std::sqrt(target * ratio));
    draw.height = rounded(std::sqrt(target / ratio));
    if (0 < draw.width && draw.width <= width && 0 < draw.height && draw.height <= height) {
      draw.top = index_below(down, height - draw.height + 1);
      draw.left = index_below(right, width - draw.width + 1);
      return;
    }
  }
  const double image_ratio = static_cast<double>(width) / height;
  draw.width = width;
  draw.height = height;
  if (image_ratio < kNarrowest) {
    draw.height = std::clamp(rounded(width / kNarrowest), 1, height);
  } else if (image_ratio > kWidest) {
    draw.width = std::clamp(rounded(height * kWidest), 1, width);
  }
  draw.top = (height - draw.height) / 2;
  draw.left = (width - draw.width) / 2;
}

}  // namespace

ViewDraw draw_view(core::KeyedRandom& random, const AugmentOptions& options, int height,
                   int width) {
  ViewDraw draw;
  draw.flip = random.chance(options.hflip);
  draw.jitter = random.chance(options.jitter_probability) && options.jitter > 0;
  for (int i = 3; i > 0; --i) {  // Fisher-Yates
    std::swap(draw.order[static_cast<size_t>(i)],
              draw.order[static_cast<size_t>(index_below(random.uniform(), i + 1))]);
  }
  const double factor = 0.4 * options.jitter, turn = 0.1 * options.jitter;
  draw.brightness = random.uniform(1 - factor, 1 + factor);
  draw.contrast = random.uniform(1 - factor, 1 + factor);
  draw.saturation = random.uniform(1 - factor, 1 + factor);
  draw.hue = random.uniform(-turn, turn);
  draw.grayscale = random.chance(options.grayscale);
  draw.blur = random.chance(options.blur);
  draw.sigma = random.uniform(0.1, 2.0);
  const double down = random.uniform(), right = random.uniform();
  draw_crop(random, options.crop_scale_min, height, width, down, right, draw);
  return draw;
}

}  // namespace ipirm::augment

// Makes views: the steps of METHOD 2 in their order.
#include "ipirm/augment/recipe.h"

#include <c10/util/Exception.h>

#include <cmath>

#include "augment/operations.h"

namespace ipirm::augment {
namespace {

void jitter(const Planes& image, const ViewDraw& draw) {
  for (const int step : draw.order) {
    switch (step) {
      case 0:
        adjust_brightness(image, draw.brightness);
        break;
      case 1:
        adjust_contrast(image, draw.contrast);
        break;
      case 2:
        adjust_saturation(image, draw.saturation);
        break;
      default:
        adjust_hue(image, draw.hue);
    }
  }
}

}  // namespace

void make_view(const data::Image& image, const ViewDraw& draw, int size, const data::ViewOut& out) {
  TORCH_INTERNAL_ASSERT(draw.height > 0 && draw.width > 0 && size > 0, "an empty crop or view");
  thread_local Workspace workspace;
  const Planes view = workspace.square(size);
  crop_resize(image, {draw.top, draw.left, draw.height, draw.width}, draw.flip, workspace, view);
  if (draw.jitter) jitter(view, draw);
  if (draw.grayscale) to_grayscale(view);
  if (draw.blur) gaussian_blur(view, draw.sigma, workspace);
  write_view(view, out);
}

void make_test_view(const data::Image& image, int size, const data::ViewOut& out) {
  TORCH_INTERNAL_ASSERT(image.height > 0 && image.width > 0 && size > 0, "an empty image or view");
  thread_local Workspace workspace;
  const Planes view = workspace.square(size);
  const int shorter = static_cast<int>(std::nearbyint(size * 8 / 7.0));
  resize_centre(image, shorter, workspace, view);
  write_view(view, out);
}

void make_plain_view(const data::Image& image, const data::ViewOut& out) { write_view(image, out); }

}  // namespace ipirm::augment

// Makes views by set and sample, and normalises those that were left in bytes.
#include "ipirm/augment/views.h"

#include <ATen/ATen.h>

#include "ipirm/core/error.h"
#include "ipirm/core/to_device.h"

namespace ipirm::augment {
namespace {

data::ViewShape shape_of_first(const data::ImageSet& set) {
  if (set.size() == 0) throw core::UserError("the image set is empty; expected at least one image");
  std::vector<uint8_t> scratch;
  const data::Image image = set.image(0, scratch);
  return {image.height, image.width};
}

// The image at its own size, which must be `shape`: a batch has one size.
data::Image image_of_shape(const data::ImageSet& set, int64_t sample, data::ViewShape shape,
                           std::vector<uint8_t>& scratch) {
  const data::Image image = set.image(sample, scratch);
  if (image.height != shape.height || image.width != shape.width) {
    throw core::UserError(core::cat("image ", sample, " is ", image.height, "x", image.width,
                                    "; expected the size of image 0, ", shape.height, "x",
                                    shape.width));
  }
  return image;
}

ViewDraw draw_of(const DrawKey& key, const AugmentOptions& options, int64_t sample, int view,
                 const data::Image& image) {
  core::KeyedRandom random(key.seed, key.purpose, key.epoch, static_cast<uint64_t>(sample),
                           static_cast<uint32_t>(view));
  return draw_view(random, options, image.height, image.width);
}

}  // namespace

Views whole_views(const data::ImageSet& set, int crop_size) {
  const data::ViewShape shape = shape_of_first(set);
  if (set.differing_sizes()) {
    return {{crop_size, crop_size},
            [&set, crop_size](int64_t sample, int, std::vector<uint8_t>& scratch,
                              const data::ViewOut& out) {
              make_test_view(set.image(sample, scratch), crop_size, out);
            }};
  }
  return {shape, [&set, shape](int64_t sample, int, std::vector<uint8_t>& scratch,
                               const data::ViewOut& out) {
            make_plain_view(image_of_shape(set, sample, shape, scratch), out);
          }};
}

Views augmented_views(const data::ImageSet& set, const AugmentOptions& options,
                      const DrawKey& key) {
  const int size = options.crop_size;
  if (options.recipe == Recipe::kNone) return whole_views(set, size);
  return {{size, size},
          [&set, options, key, size](int64_t sample, int view, std::vector<uint8_t>& scratch,
                                     const data::ViewOut& out) {
            const data::Image image = set.image(sample, scratch);
            make_view(image, draw_of(key, options, sample, view, image), size, out);
          }};
}

Views drawn_views(const data::ImageSet& set, const AugmentOptions& options, const DrawKey& key) {
  data::ViewShape shape = shape_of_first(set);
  shape.numbers = kDrawNumbers;
  return {shape,
          [&set, options, key, shape](int64_t sample, int view, std::vector<uint8_t>& scratch,
                                      const data::ViewOut& out) {
            TORCH_CHECK(out.bytes && out.numbers, "draws stand beside images of 8 bits alone");
            const data::Image image = image_of_shape(set, sample, shape, scratch);
            write_draw(draw_of(key, options, sample, view, image), out.numbers);
            make_plain_view(image, out);
          }};
}

void write_draw(const ViewDraw& draw, double* numbers) {
  for (const int side : {draw.top, draw.left, draw.height, draw.width}) *numbers++ = side;
  *numbers++ = draw.flip;
  *numbers++ = draw.jitter;
  for (const int step : draw.order) *numbers++ = step;
  for (const double factor : {draw.brightness, draw.contrast, draw.saturation, draw.hue})
    *numbers++ = factor;
  *numbers++ = draw.grayscale;
  *numbers++ = draw.blur;
  *numbers = draw.sigma;
}

ViewDraw read_draw(const double* numbers) {
  const auto whole = [&] { return static_cast<int>(*numbers++); };
  const auto truth = [&] { return *numbers++ != 0; };
  ViewDraw draw;
  for (int* side : {&draw.top, &draw.left, &draw.height, &draw.width}) *side = whole();
  draw.flip = truth();
  draw.jitter = truth();
  for (int& step : draw.order) step = whole();
  for (double* factor : {&draw.brightness, &draw.contrast, &draw.saturation, &draw.hue})
    *factor = *numbers++;
  draw.grayscale = truth();
  draw.blur = truth();
  draw.sigma = *numbers;
  return draw;
}

torch::Tensor normalised(const torch::Tensor& views) {
  if (views.is_floating_point()) return views;
  TORCH_CHECK(views.scalar_type() == torch::kUInt8 && views.dim() == 4 && views.size(1) == 3,
              "expected views (B, 3, H, W) of uint8 or a floating-point type");
  // White, too, is a tensor: by a number CUDA multiplies with its reciprocal, which rounds
  // otherwise.
  constexpr float kWhite = 255;
  const auto constants = core::to_device(
      torch::tensor({kWhite, kMean[0], kMean[1], kMean[2], kStd[0], kStd[1], kStd[2]}),
      views.device());
  const auto white = constants.slice(0, 0, 1);
  const auto mean = constants.slice(0, 1, 4).view({1, 3, 1, 1});
  const auto deviation = constants.slice(0, 4, 7).view({1, 3, 1, 1});
  return views.to(torch::kFloat32).div_(white).sub_(mean).div_(deviation);
}

}  // namespace ipirm::augment

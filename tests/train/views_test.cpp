// Training views of images in sizes of their own.
#include "ipirm/train/views.h"

#include <gtest/gtest.h>

#include "eval/whole_images.h"
#include "ipirm/augment/recipe.h"

namespace ipirm::train {
namespace {

constexpr int kSize = 16;

ViewSource source_of(augment::Recipe recipe) {
  ViewSource source;
  source.set = std::make_shared<test::WholeImages>(10);
  source.augment.recipe = recipe;
  source.augment.crop_size = kSize;
  return source;
}

// Calls expected(image, sample, view, out) for the two views of every sample.
template <class Expected>
void expect_views(const ViewSource& source, Expected expected) {
  std::vector<int64_t> order = {3, 1, 4, 0, 9, 2, 6, 5, 8, 7};
  auto loader = two_view_loader(source, core::Purpose::kTrainView, 2, order, 4, false);
  int64_t done = 0;
  while (const auto batch = loader.next()) {
    for (int64_t k = 0; k < batch->index.size(0); ++k, ++done) {
      const auto sample = batch->index[k].item<int64_t>();
      EXPECT_EQ(sample, order[static_cast<size_t>(done)]);
      for (uint32_t view = 0; view < 2; ++view) {
        std::vector<uint8_t> scratch;
        auto wanted = torch::empty({3, kSize, kSize});
        expected(source.set->image(sample, scratch), sample, view,
                 data::ViewOut{wanted.data_ptr<float>(), kSize * kSize, 1});
        EXPECT_TRUE(torch::equal(batch->views[view][k], wanted)) << sample << ", view " << view;
      }
    }
  }
  EXPECT_EQ(done, 10);
}

TEST(WholeImageViews, CropsAreTakenFromTheFullPicture) {
  const auto source = source_of(augment::Recipe::kSimclr);
  expect_views(source, [&](const data::Image& image, int64_t sample, uint32_t view,
                           const data::ViewOut& out) {
    core::KeyedRandom random(source.seed, core::Purpose::kTrainView, 2,
                             static_cast<uint64_t>(sample), view);
    augment::make_view(image, augment::draw_view(random, source.augment, image.height, image.width),
                       kSize, out);
  });
}

TEST(WholeImageViews, WithoutAugmentationTheyAreTheTestView) {
  expect_views(source_of(augment::Recipe::kNone),
               [](const data::Image& image, int64_t, uint32_t, const data::ViewOut& out) {
                 augment::make_test_view(image, kSize, out);
               });
}

}  // namespace
}  // namespace ipirm::train

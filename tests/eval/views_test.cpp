// Test views of images in sizes of their own.
#include "eval/views.h"

#include <gtest/gtest.h>

#include "eval/whole_images.h"
#include "ipirm/augment/recipe.h"

namespace ipirm::eval {
namespace {

torch::Tensor expected_view(const data::ImageSet& set, int64_t i, int size) {
  std::vector<uint8_t> scratch;
  auto view = torch::empty({3, size, size});
  augment::make_test_view(set.image(i, scratch), size,
                          {view.data_ptr<float>(), ptrdiff_t{size} * size, 1});
  return view;
}

// Every image once, as its test view.
void expect_test_views(data::Loader& loader, const data::ImageSet& set, int size) {
  std::vector<int64_t> seen;
  while (const auto batch = loader.next()) {
    const auto& views = batch->views.front();
    ASSERT_EQ(views.sizes().slice(1), (torch::IntArrayRef{3, size, size}));
    for (int64_t k = 0; k < views.size(0); ++k) {
      const auto i = batch->index[k].item<int64_t>();
      EXPECT_TRUE(torch::equal(views[k], expected_view(set, i, size))) << "image " << i;
      seen.push_back(i);
    }
  }
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(seen.size(), static_cast<size_t>(set.size()));
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int64_t>(i));
}

TEST(WholeImageViews, TestViewsAreOfTheCropsSize) {
  const test::WholeImages set(11);
  RunOptions run;
  run.batch_size = 4;
  for (const int size : {8, 21}) {
    run.crop_size = size;
    expect_test_views(*test_views(set, run), set, size);
  }
}

TEST(WholeImageViews, LinearViewsWithoutAugmentationAreTheTestViews) {
  const test::WholeImages set(11);
  augment::AugmentOptions augment;
  augment.recipe = augment::Recipe::kNone;
  augment.crop_size = 16;
  expect_test_views(*linear_views(set, augment, 1, 1, 4, /*least=*/1, RunOptions{}), set, 16);
}

// Evaluations take what either kind of loader gives.
TEST(ByteViews, GiveTheSameFeatures) {
  const test::WholeImages set(5);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  RunOptions run;
  run.crop_size = 16;
  const auto features = embed_test_views(model, set, run, "test");
  run.loader.pixels = data::Pixels::kByte;
  EXPECT_TRUE(torch::equal(embed_test_views(model, set, run, "test"), features));
}

}  // namespace
}  // namespace ipirm::eval

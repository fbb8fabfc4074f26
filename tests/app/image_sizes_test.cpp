// What --image_size does to a run, and what is said where sizes do not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "app/image_sizes.h"
#include "app/programs.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"

namespace ipirm::app {
namespace {

using ::testing::HasSubstr;

using Set = data::DataSetKind;
using augment::Recipe;

std::string warned(const data::DataOptions& data, int crop_size, Recipe recipe) {
  augment::AugmentOptions augment;
  augment.crop_size = crop_size;
  augment.recipe = recipe;
  core::set_log_level(core::LogLevel::kWarning);
  ::testing::internal::CaptureStderr();
  warn_about_sizes(data, augment);
  return ::testing::internal::GetCapturedStderr();
}

TEST(ImageSizes, ACropLargerThanTheStoredImageIsSaid) {
  EXPECT_EQ(warned({Set::kFolder, "x", 96}, 96, Recipe::kSimclr), "");
  EXPECT_EQ(warned({Set::kFolder, "x", 0}, 224, Recipe::kSimclr), "");
  EXPECT_EQ(warned({Set::kFolder, "x", 96}, 224, Recipe::kNone), "")
      << "views are then not cropped";
  EXPECT_EQ(warned({Set::kFolder, "x", 96}, 97, Recipe::kSimclr),
            "warning: --crop_size 97 exceeds the stored images of 96x96 pixels: views are enlarged "
            "and show no more detail; store larger images by --image_size 97 or more, or whole "
            "ones by --image_size 0\n");
  EXPECT_EQ(warned({Set::kStl, "x"}, 96, Recipe::kSimclr), "");
  EXPECT_THAT(warned({Set::kStl, "x"}, 128, Recipe::kSimclr), HasSubstr("stored images of 96x96"));
  EXPECT_THAT(warned({Set::kColoredDigits, "x"}, 64, Recipe::kSimclr),
              HasSubstr("stored images of 32x32"));
}

TEST(ImageSizes, AFlagWithoutEffectIsSaid) {
  EXPECT_EQ(warned({Set::kCifar10, "x", 64}, 32, Recipe::kSimclr),
            "warning: --image_size 64 has no effect on CIFAR10, whose images are 32x32 pixels: it "
            "is for --dataset Folder\n");
  EXPECT_THAT(warned({Set::kStl, "x", 0}, 32, Recipe::kSimclr),
              HasSubstr("--image_size 0 has no effect"));
  EXPECT_EQ(warned({Set::kStl, "x", 96}, 32, Recipe::kSimclr), "");
}

class WideImages : public ProgramTest {
 protected:
  // Two sets of 300x100 images that differ in their outer thirds alone.
  WideImages() {
    for (const bool light : {false, true}) {
      for (int i = 0; i < 12; ++i) {
        const std::string part = i < 8 ? "train" : "test", name = i % 2 ? "b" : "a";
        test_sets::write_image(
            root_ / (light ? "light" : "dark") / part / name / (std::to_string(i) + ".png"), 100,
            300, [&](int c, int y, int x) {
              return x >= 100 && x < 200 ? test_sets::pixel(i, c, y, x) : light ? 255 : 0;
            });
      }
    }
  }

  // The log of a short run.
  std::string trained(const std::string& data, const std::string& image_size, Recipe recipe) {
    const std::string name = data + image_size + core::name_of(recipe);
    const auto outcome = train(
        small_run("--dataset Folder --batch_size 4 --crop_size 16 --crop_scale_min 0.5 --baseline "
                  "--eval_every 1 --log_every 1") +
        Words{"--data_root", path(data), "--image_size", image_size, "--augment",
              core::name_of(recipe), "--name", name});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const std::string run = "results/Folder/" + name;
    return read(run + "/log.txt") + read(run + "/knn_result.txt");
  }
};

TEST_F(WideImages, TheOuterThirdsCountWithWholeImagesAlone) {
  EXPECT_EQ(trained("dark", "96", Recipe::kSimclr), trained("light", "96", Recipe::kSimclr));
  EXPECT_NE(trained("dark", "0", Recipe::kSimclr), trained("light", "0", Recipe::kSimclr));
  // The test view of whole images is their middle, and so is the plain view.
  EXPECT_EQ(trained("dark", "0", Recipe::kNone), trained("light", "0", Recipe::kNone));
}

TEST_F(WideImages, AreEvaluatedWhole) {
  trained("light", "0", Recipe::kSimclr);
  for (const std::string recipe : {"simclr", "none"}) {
    const auto outcome =
        linear(small_evaluation("--dataset Folder --image_size 0 --log_level info --batch_size 4") +
               Words{"--model_path", path("results/Folder/light0simclr/model_1.pt"), "--data_root",
                     path("light"), "--augment", recipe});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("label  best test_acc@1"));
  }
}

}  // namespace
}  // namespace ipirm::app

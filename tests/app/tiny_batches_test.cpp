// The smallest batches of the smallest views: no batch that BatchNorm cannot take ends in an
// internal error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "app/programs.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// STL-10 sets of a few images; views of 8 pixels, which the encoder brings down to 1x1.
class TinyBatches : public ProgramTest {
 protected:
  Outcome train_on(int64_t labelled, const Words& more) const {
    test_sets::write_stl(root_ / "data", labelled, 3, 4);
    return train(small_run("--dataset STL --batch_size 2 --crop_size 8 --epochs 2 --k 2 "
                           "--eval_every 1 --maximize_iter 1 --offline=false --workers 1 "
                           "--overwrite") +
                 more);
  }
  Outcome evaluate(const Words& more) const {
    return linear(small_evaluation("--dataset STL --crop_size 8 --epochs 2 --workers 1 --txt "
                                   "--overwrite") +
                  Words{"--model_path", path("results/STL/x/model_2.pt")} + more);
  }
  int64_t lines_of_result() const {
    const auto text = read("downstream/STL/x/result.txt");
    return std::count(text.begin(), text.end(), '\n');
  }
};

// 8 images in batches of 2: an environment has 0, 1 or 2 of them.
TEST_F(TinyBatches, OfTwoImagesAreTrainedOnByEveryForm) {
  for (const Words& form : std::vector<Words>{
           {"--baseline"},
           {"--baseline", "--debiased"},
           {"--baseline", "--mixup"},
           {"--offline", "--keep_cont", "--retain_group"},
           {"--maximize_batch", "2"},
           {"--mixup", "--offline", "--keep_cont", "--retain_group", "--maximize_batch", "3"},
           {"--mixup", "--mixup_max", "--keep_cont", "--maximize_batch", "2"},
           {"--mixup", "--offline", "--env_num", "5", "--keep_cont", "--retain_group"}}) {
    const auto trained = train_on(5, form);
    EXPECT_EQ(trained.code, 0) << form.front() << ": " << trained.err;
  }
}

TEST_F(TinyBatches, ALoneLastImageIsLeftOutOfTheLinearEvaluation) {
  ASSERT_EQ(train_on(5, {"--baseline"}).code, 0);
  const auto left_out = evaluate({"--batch_size", "4"});  // 5 labelled images: 4 + 1
  EXPECT_EQ(left_out.code, 0) << left_out.err;
  EXPECT_EQ(std::count(left_out.err.begin(), left_out.err.end(), '\n'), 1) << left_out.err;
  EXPECT_THAT(left_out.err, HasSubstr("--batch_size 4: the last batch is one image"));
  EXPECT_EQ(lines_of_result(), 2);

  for (const Words& taken : std::vector<Words>{{"--batch_size", "4", "--bn", "eval"},
                                               {"--batch_size", "4", "--crop_size", "9"},
                                               {"--batch_size", "1", "--crop_size", "9"},
                                               {"--batch_size", "3"},
                                               {"--batch_size", "1", "--bn", "eval"}}) {
    const auto whole = evaluate(taken);
    EXPECT_EQ(whole.code, 0) << taken[1] << ": " << whole.err;
    EXPECT_EQ(whole.err, "") << taken[1];
    EXPECT_EQ(lines_of_result(), 2);
  }
}

TEST_F(TinyBatches, ALinearEvaluationWithoutAnyOtherBatchIsRefused) {
  ASSERT_EQ(train_on(5, {"--baseline"}).code, 0);
  expect_refused(evaluate({"--batch_size", "1"}),
                 {"--batch_size 1: each batch is one image", "--bn eval"});
}

}  // namespace
}  // namespace ipirm::app

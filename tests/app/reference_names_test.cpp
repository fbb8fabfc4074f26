// A run's files under the reference's names, model_E.pth and GroupResults_E.txt.npy, and its flags
// without effect: every program takes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "app/programs.h"
#include "ipirm/app/export_app.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ReferenceNames : public ProgramTest {
 protected:
  Outcome train_as(const std::string& name, const Words& more) const {
    return train(small_run("--dataset ColoredDigits --batch_size 600 --crop_size 8 --max_steps 1") +
                 Words{"--name", name} + more);
  }
};

TEST_F(ReferenceNames, AreTakenByEveryProgramThatReadsARun) {
  ASSERT_EQ(train_as("first", {}).code, 0);
  const std::string ours = "results/ColoredDigits/first/",
                    theirs = "results/ColoredDigits/IPIRM_epoch1/";
  fs::create_directories(path(theirs));
  fs::copy_file(path(ours + "model_1.pt"), path(theirs + "model_1.pth"));
  fs::copy_file(path(ours + "GroupResults_0.npy"), path(theirs + "GroupResults_0.txt.npy"));

  const auto trained = train_as("second", {"--pretrain_model", path(theirs + "model_1.pth"),
                                           "--partition", path(theirs + "GroupResults_0.txt.npy")});
  EXPECT_EQ(trained.code, 0) << trained.err;

  // The name of the results, the encoder and its width are read off the path and the file.
  const auto evaluated = linear(
      split("--dataset ColoredDigits --epochs 1 --crop_size 8 --txt --device cpu") +
      Words{"--model_path", path(theirs + "model_1.pth"), "--downstream_root", path("down")});
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_TRUE(fs::exists(path("down/ColoredDigits/IPIRM_epoch1/result.txt")));

  const auto exported =
      export_tool({"--model_path", path(theirs + "model_1.pth"), "--out", path("resnet18.pth")});
  EXPECT_EQ(exported.code, 0) << exported.err;
}

TEST_F(ReferenceNames, FlagsWithoutEffectGiveOneLineEach) {
  const auto trained =
      train_as("x", {"--baseline", "--debug", "--ours_mode", "w", "--constrain_relax"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(std::count(trained.err.begin(), trained.err.end(), '\n'), 3) << trained.err;
  for (const char* flag : {"--debug has no effect", "--ours_mode has", "--constrain_relax has"})
    EXPECT_THAT(trained.err, HasSubstr(flag));
  const auto yaml = core::read_file(path("results/ColoredDigits/x/config.yaml"), 1 << 20);
  EXPECT_THAT(yaml, ::testing::Not(HasSubstr("ours_mode")));
}

}  // namespace
}  // namespace ipirm::app

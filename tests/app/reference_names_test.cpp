// A run's files under the reference's names, model_E.pth and GroupResults_E.txt.npy, and its flags
// without effect: every program takes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "app/programs.h"
#include "ipirm/app/export_app.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class ReferenceNames : public ::testing::Test {
 protected:
  ReferenceNames() { torch::set_num_threads(1); }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  Outcome train_as(const std::string& name, const Words& more) const {
    return train(Words{"--dataset",
                       "ColoredDigits",
                       "--arch",
                       "resnet18",
                       "--width",
                       "16",
                       "--batch_size",
                       "600",
                       "--epochs",
                       "1",
                       "--max_steps",
                       "1",
                       "--offline",
                       "--crop_size",
                       "8",
                       "--maximize_passes",
                       "2",
                       "--device",
                       "cpu",
                       "--log_level",
                       "warning",
                       "--workers",
                       "2",
                       "--results_root",
                       path("res"),
                       "--name",
                       name} +
                 more);
  }

  test_sets::TempFolder folder_;
};

TEST_F(ReferenceNames, AreTakenByEveryProgramThatReadsARun) {
  ASSERT_EQ(train_as("first", {}).code, 0);
  const std::string ours = "res/ColoredDigits/first/", theirs = "res/ColoredDigits/IPIRM_epoch1/";
  fs::create_directories(path(theirs));
  fs::copy_file(path(ours + "model_1.pt"), path(theirs + "model_1.pth"));
  fs::copy_file(path(ours + "GroupResults_0.npy"), path(theirs + "GroupResults_0.txt.npy"));

  const auto trained = train_as("second", {"--pretrain_model", path(theirs + "model_1.pth"),
                                           "--partition", path(theirs + "GroupResults_0.txt.npy")});
  EXPECT_EQ(trained.code, 0) << trained.err;

  // The name of the results, the encoder and its width are read off the path and the file.
  const auto evaluated = linear({"--model_path", path(theirs + "model_1.pth"), "--dataset",
                                 "ColoredDigits", "--epochs", "1", "--crop_size", "8", "--txt",
                                 "--downstream_root", path("down"), "--device", "cpu"});
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_TRUE(fs::exists(path("down/ColoredDigits/IPIRM_epoch1/result.txt")));

  const auto exported =
      run([](int argc,
             const char* const* argv) { return run_export(*config::parse_export(argc, argv)); },
          {"--model_path", path(theirs + "model_1.pth"), "--out", path("resnet18.pth")});
  EXPECT_EQ(exported.code, 0) << exported.err;
}

TEST_F(ReferenceNames, FlagsWithoutEffectGiveOneLineEach) {
  const auto trained =
      train_as("x", {"--baseline", "--debug", "--ours_mode", "w", "--constrain_relax"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(std::count(trained.err.begin(), trained.err.end(), '\n'), 3) << trained.err;
  for (const char* flag : {"--debug has no effect", "--ours_mode has", "--constrain_relax has"})
    EXPECT_THAT(trained.err, HasSubstr(flag));
  const auto yaml = core::read_file(path("res/ColoredDigits/x/config.yaml"), 1 << 20);
  EXPECT_THAT(yaml, ::testing::Not(HasSubstr("ours_mode")));
}

}  // namespace
}  // namespace ipirm::app

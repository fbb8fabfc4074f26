// ipirm-train and ipirm-linear from end to end: two epochs on every format of data, and one line
// for every mistake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include "app/programs.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Programs : public ProgramTest {
 protected:
  Words digits(const Words& more = {}) const {
    return small_run("--dataset ColoredDigits --batch_size 600") + more;
  }
};

class EveryFormat : public Programs, public ::testing::WithParamInterface<std::string> {};

TEST_P(EveryFormat, TrainsTwoEpochsAndIsEvaluated) {
  const auto& dataset = GetParam();
  const fs::path data = root_ / "data";
  if (dataset == "STL") test_sets::write_stl(data, 8, 6, 6);
  if (dataset == "CIFAR10") test_sets::write_cifar10(data, 3, 6);
  if (dataset == "CIFAR100") test_sets::write_cifar100(data, 13, 6);
  if (dataset == "Folder") test_sets::write_folder(data, 5);
  const auto trained =
      train(small_run("--name two --epochs 2 --eval_every 1 --maximize_iter 1 --retain_group "
                      "--keep_cont --log_every 1 --dataset " +
                      dataset));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string run = "results/" + dataset + "/two/";
  for (const char* file :
       {"config.yaml", "log.txt", "metrics.jsonl", "knn_result.txt", "GroupResults_0.npy",
        "GroupResults_1.npy", "GroupResults_2.npy", "model_2.pt", "state.pt"}) {
    EXPECT_TRUE(fs::exists(root_ / (run + file))) << file;
  }
  const std::map<std::string, int64_t> sizes = {
      {"STL", 14}, {"CIFAR10", 15}, {"CIFAR100", 13}, {"Folder", 15}};
  EXPECT_EQ(checkpoint::read_npy(root_ / (run + "GroupResults_2.npy")).sizes(),
            (torch::IntArrayRef{sizes.at(dataset), 2}));
  EXPECT_THAT(read(run + "log.txt"),
              HasSubstr(core::cat("Train Epoch: [2/2] [12/", sizes.at(dataset), "]  Loss: ")));

  const auto evaluated =
      linear(small_evaluation("--log_level info --epochs 2 --batch_size 4 --txt --name two") +
             Words{"--model_path", path(run + "model_2.pt"), "--dataset", dataset});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.out, HasSubstr("label  best test_acc@1"));
  const auto result = read("downstream/" + dataset + "/two/result.txt");
  EXPECT_EQ(std::count(result.begin(), result.end(), '\n'), 2);
  EXPECT_THAT(result, HasSubstr("test_loss: "));
}

INSTANTIATE_TEST_SUITE_P(Sets, EveryFormat,
                         ::testing::Values("STL", "CIFAR10", "CIFAR100", "Folder"),
                         [](const auto& test) { return test.param; });

TEST_F(Programs, ARunIsRepeatedFromItsOwnConfig) {
  ASSERT_EQ(train(digits({"--max_steps", "2"})).code, 0);
  const std::string run = "results/ColoredDigits/";
  ASSERT_EQ(train({"--config", path(run + "x/config.yaml"), "--name", "y"}).code, 0);
  const auto a = checkpoint::read_torch_file(root_ / (run + "x/model_1.pt"));
  const auto b = checkpoint::read_torch_file(root_ / (run + "y/model_1.pt"));
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(torch::equal(a[i].second, b[i].second)) << a[i].first;
}

TEST_F(Programs, PretrainedWeightsAndAPartitionAreTaken) {
  ASSERT_EQ(train(digits({"--max_steps", "1"})).code, 0);
  const std::string run = "results/ColoredDigits/";
  const auto outcome = train(
      digits({"--name", "z", "--max_steps", "1", "--pretrain_model", path(run + "x/model_1.pt"),
              "--partition", path(run + "x/GroupResults_0.npy")}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(
      fs::exists(root_ / (run + "z/GroupResults_0.npy")));  // no maximization before epoch 1
}

TEST_F(Programs, MistakesOnTheCommandLine) {
  expect_refused(train(digits({"--epochss", "3"})), {"--epochss", "--epochs"});
  expect_refused(train(digits({"--epochs", "0"})), {"--epochs", "0"});
  expect_refused(train(digits({"--epochs", "many"})), {"--epochs", "many"});
  expect_refused(train(digits({"--dataset", "ColouredDigits"})),
                 {"ColouredDigits", "ColoredDigits"});
  expect_refused(train(digits({"--batch_size", "5000"})), {"--batch_size 5000", "1437"});
  if (!torch::cuda::is_available())
    expect_refused(train(digits({"--device", "cuda"})), {"--device cuda"});
  expect_refused(linear({"--dataset", "ColoredDigits"}), {"model_path"});
  EXPECT_FALSE(fs::exists(root_ / "results"));
}

TEST_F(Programs, MistakesInTheConfigurationFile) {
  core::write_atomically(root_ / "c.yaml", "epochs: 3\nbatchsize: 4\n");
  expect_refused(train({"--config", path("c.yaml")}), {"c.yaml:2", "batchsize", "batch_size"});
  core::write_atomically(root_ / "c.yaml", "epochs: often\n");
  expect_refused(train({"--config", path("c.yaml")}), {"c.yaml:1", "often"});
}

TEST_F(Programs, MissingAndDamagedData) {
  expect_refused(train(small_run("--dataset STL")), {"stl10_binary"});
  test_sets::write_stl(root_ / "data", 8, 6, 6);
  fs::resize_file(root_ / "data/stl10_binary/train_X.bin", 100000);
  expect_refused(train(small_run("--dataset STL")), {"train_X.bin", "82944", "27648"});
  test_sets::write_stl(root_ / "data", 8, 6, 6);
  test_sets::write_file(root_ / "data/stl10_binary/train_y.bin", {1, 2, 3, 11, 1, 1, 1, 1});
  expect_refused(train(small_run("--dataset STL")), {"train_y.bin", "11"});
  test_sets::write_folder(root_ / "data", 2);
  test_sets::write_file(root_ / "data/train/bee/0001.jpg", {'n', 'o'});
  expect_refused(train(small_run("--dataset Folder --batch_size 2")), {"bee/0001.jpg"});
  fs::remove_all(root_ / "data/train/bee");
  fs::create_directories(root_ / "data/train/bee");
  expect_refused(train(small_run("--dataset Folder --batch_size 2")), {"bee"});
  EXPECT_FALSE(fs::exists(root_ / "results"));
}

// Whatever is refused, the earlier run's files stay as they were.
TEST_F(Programs, AnEarlierRunIsLeftUntouched) {
  ASSERT_EQ(train(digits({"--max_steps", "1"})).code, 0);
  const std::string run = "results/ColoredDigits/x/";
  const auto log = read(run + "log.txt");
  expect_refused(train(digits()), {"already holds a run", "--overwrite"});
  expect_refused(train(digits({"--overwrite", "--batch_size", "5000"})), {"--batch_size"});
  expect_refused(train(digits({"--overwrite", "--pretrain_model", path("none.pt")})), {"none.pt"});
  expect_refused(
      train(digits({"--overwrite", "--width", "24", "--pretrain_model", path(run + "model_1.pt")})),
      {"model_1.pt", "holds a resnet18 of width 16", "--width 16"});
  expect_refused(train(digits({"--resume", "--lr", "0.5"})), {"lr (was 0.001, now 0.5)"});
  checkpoint::write_npy(root_ / "p.npy", torch::zeros({10, 2}));
  expect_refused(train(digits({"--overwrite", "--partition", path("p.npy")})),
                 {"p.npy", "(10, 2)", "(1437, 2)"});
  {
    const core::FolderLock lock(root_ / run);
    expect_refused(train(digits({"--overwrite"})), {"another run is using this folder"});
  }
  EXPECT_EQ(read(run + "log.txt"), log);
  EXPECT_TRUE(fs::exists(root_ / (run + "model_1.pt")));
}

TEST_F(Programs, AFolderThatCannotBeWritten) {
  core::write_atomically(root_ / "results", "a file stands in the way");
  expect_refused(train(digits()), {"results"});
}

TEST_F(Programs, AFullDiskStopsWithOneLineAndKeepsWhatWasSaved) {
  ASSERT_EQ(train(digits({"--max_steps", "1"})).code, 0);
  const auto before = read("results/ColoredDigits/x/config.yaml");
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small = {20000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto outcome = train(digits({"--resume", "--max_steps", "2"}));
  setrlimit(RLIMIT_FSIZE, &limit);
  expect_refused(outcome, {"cannot write"});
  EXPECT_EQ(train(digits({"--resume", "--max_steps", "2"})).code, 0);
}

TEST_F(Programs, AnInfiniteLossStopsTheRun) {
  const auto outcome = train(digits({"--baseline", "--lr", "1e30", "--epochs", "4"}));
  EXPECT_EQ(outcome.code, kExitFault);
  EXPECT_THAT(outcome.err, HasSubstr("the loss is"));
  EXPECT_TRUE(fs::exists(root_ / "results/ColoredDigits/x/failed_state.pt"));
}

TEST_F(Programs, LinearRefusesWhatDisagreesWithTheFile) {
  ASSERT_EQ(train(digits({"--max_steps", "1"})).code, 0);
  const Words base = {"--model_path", path("results/ColoredDigits/x/model_1.pt"),
                      "--dataset",    "ColoredDigits",
                      "--device",     "cpu"};
  expect_refused(linear(base + Words{"--arch", "resnet50"}), {"resnet50", "resnet18"});
  expect_refused(linear(base + Words{"--width", "64"}), {"--width 64", "width 16"});
  test_sets::write_file(root_ / "bad.pt", {'P', 'K', 3, 4, 0, 0});
  expect_refused(linear({"--model_path", path("bad.pt"), "--dataset", "ColoredDigits"}),
                 {"bad.pt"});
}

TEST_F(Programs, HelpAndVersion) {
  for (const auto& program : {train, linear, partition_tool}) {
    EXPECT_EQ(program({"--help"}).code, 0);
    EXPECT_EQ(program({"--version"}).code, 0);
  }
  EXPECT_THAT(train({"--help"}).out, HasSubstr("--penalty_weight"));
  EXPECT_THAT(train({"--version"}).out, HasSubstr("ipirm-train 0.1.0"));
}

}  // namespace
}  // namespace ipirm::app

// ipirm-linear --resume: ends as an evaluation that was never stopped, whatever stopped it, any
// call that fails included; refuses other settings, weights and damaged states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cerrno>
#include <iostream>
#include <optional>

#include "app/programs.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/model/model.h"
#include "support/failing_files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using core::FailingFileSystem;
using core::ReplacedFileSystem;
using ::testing::HasSubstr;

// 15 training and 6 test images, a narrow encoder of random weights.
class LinearResume : public ProgramTest {
 protected:
  LinearResume() {
    test_sets::write_cifar10(folder_.path() / "data", 3, 6);
    write_model("model_1.pt", 1);
  }
  void write_model(const std::string& name, uint64_t seed) const {
    torch::manual_seed(seed);
    const model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    checkpoint::write_torch_file(folder_.path() / name, checkpoint::state_dict(*model));
  }
  fs::path results(const std::string& name) const {
    return folder_.path() / "downstream/CIFAR10" / name;
  }
  Outcome evaluate(const std::string& name, int epochs, const Words& more) const {
    return linear(small_evaluation("--dataset CIFAR10 --lr 0.01 --workers 1 --log_level info") +
                  Words{"--model_path", path("model_1.pt"), "--name", name, "--epochs",
                        std::to_string(epochs)} +
                  more);
  }
  std::string read(const fs::path& file) const { return core::read_file(file, 1 << 24); }
  // Numbers, texts and state to the byte, and nothing else.
  void expect_same(const std::string& a, const std::string& b) const {
    for (const char* file : {"result.txt", "metrics.jsonl", "linear_state.pt"})
      EXPECT_TRUE(read(results(a) / file) == read(results(b) / file)) << file;
    for (const auto& entry : fs::directory_iterator(results(b)))
      EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
  void damage(const fs::path& file) const {
    auto bytes = test_sets::read_bytes(file);
    constexpr size_t kMoreThanPadding = 128;  // between two parts of the file, which nobody reads
    for (size_t i = 0; i < kMoreThanPadding; ++i) bytes[bytes.size() / 2 + i] ^= 1;
    test_sets::write_file(file, bytes);
  }
};

TEST_F(LinearResume, GoesOnAsIfItHadNeverStopped) {
  for (const std::string bn : {"train", "eval"}) {
    ASSERT_EQ(evaluate("whole" + bn, 3, {"--txt", "--bn", bn}).code, 0);
    ASSERT_EQ(evaluate("cut" + bn, 1, {"--txt", "--bn", bn}).code, 0);
    // What a kill in the second epoch may leave: lines that the state does not know of.
    for (const char* file : {"result.txt", "metrics.jsonl"})
      core::LineFile(results("cut" + bn) / file, /*keep=*/true).line("half an epoch");
    const auto resumed = evaluate("cut" + bn, 3, {"--resume", "--bn", bn});
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("resuming at epoch 2"));
    expect_same("whole" + bn, "cut" + bn);
    EXPECT_TRUE(fs::exists(results("cut" + bn) / "linear_state_previous.pt"));
  }
}

TEST_F(LinearResume, StartsWhereThereIsNothingAndEndsWhereAllIsDone) {
  ASSERT_EQ(evaluate("whole", 2, {"--txt"}).code, 0);
  const auto first = evaluate("cut", 2, {"--resume"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("nothing to resume here yet"));
  expect_same("whole", "cut");
  const auto written = fs::last_write_time(results("cut") / "linear_state.pt");
  const auto config = read(results("cut") / "config.yaml");
  for (const int epochs : {2, 1}) {
    const auto again = evaluate("cut", epochs, {"--resume"});
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("nothing to do: 2 of "));
    EXPECT_THAT(again.out, HasSubstr("label  best test_acc@1"));
    const auto best = [](const std::string& out) { return out.substr(out.find("  best ")); };
    EXPECT_EQ(best(again.out).substr(0, 60), best(first.out).substr(0, 60));
  }
  expect_same("whole", "cut");
  EXPECT_EQ(fs::last_write_time(results("cut") / "linear_state.pt"), written);
  EXPECT_EQ(read(results("cut") / "config.yaml"), config);
}

TEST_F(LinearResume, RefusesOtherSettingsAndWeightsAndLeavesTheFilesAlone) {
  ASSERT_EQ(evaluate("x", 1, {"--txt"}).code, 0);
  ASSERT_EQ(evaluate("before", 1, {"--txt"}).code, 0);
  expect_refused(evaluate("x", 2, {"--txt"}), {"already holds an evaluation", "--resume"});
  expect_refused(evaluate("x", 2, {"--resume", "--lr", "0.02", "--bn", "eval"}),
                 {"config.yaml", "lr (was 0.01, now 0.02)", "bn (was \"train\", now \"eval\")"});
  expect_refused(evaluate("x", 2, {"--resume", "--crop_size", "20"}), {"crop_size (was 8, now 20"});
  write_model("model_2.pt", 2);
  expect_refused(evaluate("x", 2, {"--resume", "--model_path", path("model_2.pt")}),
                 {"linear_state.pt", "other weights", "model_2.pt"});
  expect_refused(evaluate("x", 2, {"--resume", "--overwrite"}), {"contradict"});
  {
    const core::FolderLock lock(results("x"));
    expect_refused(evaluate("x", 2, {"--resume"}), {"another run is using this folder"});
  }
  expect_same("before", "x");
  // The same weights elsewhere, named outright, with another number of workers.
  fs::rename(path("model_1.pt"), path("moved.pt"));
  const auto resumed = evaluate("x", 2,
                                {"--resume", "--model_path", path("moved.pt"), "--arch", "resnet18",
                                 "--width", "16", "--workers", "2"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resuming at epoch 2"));
}

TEST_F(LinearResume, AnOverwrittenEvaluationLeavesNoState) {
  ASSERT_EQ(evaluate("x", 3, {"--txt", "--lr", "0.5"}).code, 0);
  ASSERT_EQ(evaluate("x", 1, {"--txt", "--overwrite"}).code, 0);
  ASSERT_EQ(evaluate("fresh", 1, {"--txt"}).code, 0);
  expect_same("fresh", "x");
  EXPECT_FALSE(fs::exists(results("x") / "linear_state_previous.pt"));
}

TEST_F(LinearResume, ADamagedStateGivesWayToTheOneBefore) {
  ASSERT_EQ(evaluate("whole", 3, {"--txt"}).code, 0);
  ASSERT_EQ(evaluate("x", 2, {"--txt"}).code, 0);
  damage(results("x") / "linear_state.pt");
  const auto resumed = evaluate("x", 3, {"--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("linear_state_damaged.pt"));
  EXPECT_THAT(resumed.out, HasSubstr("resuming at epoch 2"));
  expect_same("whole", "x");
  damage(results("x") / "linear_state.pt");
  damage(results("x") / "linear_state_previous.pt");
  EXPECT_EQ(evaluate("x", 3, {"--resume"}).code, kExitUserError);
}

TEST_F(LinearResume, AStateOfAnotherKindIsNamed) {
  ASSERT_EQ(evaluate("x", 1, {"--txt"}).code, 0);
  const auto file = results("x") / "linear_state.pt";
  auto tensors = checkpoint::read_torch_file(file);
  const torch::Tensor counters = tensors.back().second;
  const auto refused = [&](int64_t index, int64_t value, const std::string& words) {
    tensors.back().second = counters.clone();
    tensors.back().second[index] = value;
    checkpoint::write_torch_file(file, tensors);
    expect_refused(evaluate("x", 2, {"--resume"}), {"linear_state.pt", words});
  };
  refused(0, 2, "state of version 2, this program reads version 1");
  refused(1, 0, "out of range");
  refused(3, -5, "out of range");
  fs::copy_file(path("model_1.pt"), file, fs::copy_options::overwrite_existing);
  expect_refused(evaluate("x", 2, {"--resume"}), {"linear_state.pt", "no tensor 'linear'"});
}

// Two epochs of which one call fails, or all from there on: the evaluation stops with one line that
// says what --resume will do, and that does it.
class FailingLinear : public LinearResume, public ::testing::WithParamInterface<bool> {};

TEST_P(FailingLinear, CanBeResumedWhateverCallFails) {
  const bool for_good = GetParam();
  const Words quiet = {"--txt", "--log_level", "warning"};
  FailingFileSystem counting(FailingFileSystem::kNever, ENOSPC);
  std::optional<ReplacedFileSystem> counted(std::in_place, counting);
  ASSERT_EQ(evaluate("whole", 2, quiet).code, 0);
  counted.reset();
  const int num_calls = counting.num_calls();
  ASSERT_GT(num_calls, 40) << counting.calls();
  int num_stopped = 0, num_resumed = 0;
  for (int n = 0; n < num_calls; ++n) {
    SCOPED_TRACE(core::cat("call ", n));
    fs::remove_all(results("x"));
    FailingFileSystem failing(n, ENOSPC, for_good);
    std::optional<ReplacedFileSystem> replaced(std::in_place, failing);
    const auto stopped = evaluate("x", 2, quiet);
    replaced.reset();
    EXPECT_NE(failing.failed(), "");
    const bool holds_state = fs::exists(results("x") / "linear_state.pt") ||
                             fs::exists(results("x") / "linear_state_previous.pt");
    if (stopped.code != 0) {
      ++num_stopped;
      expect_refused(stopped, {"No space left on device"});
      if (stopped.err.find("--resume") != std::string::npos) {
        EXPECT_THAT(stopped.err, HasSubstr(holds_state ? "the state of the last whole epoch is kept"
                                                       : "no state has been saved yet"));
      }
    } else {
      EXPECT_THAT(failing.failed(), "close");  // of a folder, or of what was only read
    }
    num_resumed += holds_state;
    replaced.emplace(counting);
    const auto resumed = evaluate("x", 2, {"--resume", "--log_level", "warning"});
    replaced.reset();
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    expect_same("whole", "x");
    if (HasFailure()) break;
  }
  std::cout << num_calls << " calls: " << num_stopped << " stopped the evaluation, " << num_resumed
            << " states resumed\n";
  EXPECT_GT(num_stopped, 30);
  EXPECT_GT(num_resumed, 15);
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingLinear, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "AllFromOneOn" : "OneAlone"; });

}  // namespace
}  // namespace ipirm::app

// A run of which any one write, fsync, close or rename fails, or all from there on: it stops with
// one line, or goes on where only a save failed, which is done again; the state saved before stays,
// and a resumed run ends like one that nothing befell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <iostream>
#include <optional>
#include <string>

#include "support/failing_files.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
using core::FailingFileSystem;
using core::ReplacedFileSystem;
using ::testing::HasSubstr;

// Two epochs of one step, with a search before each, a save of weights and state after it, and one
// evaluation.
void prepare(SmallRun& run) {
  const auto set = std::make_shared<RandomImages>(8);
  run.sets.train = run.sets.labelled = run.views.set = set;
  run.options.epochs = 2;
  run.options.batch_size = 8;
  run.options.maximize_iter = run.options.save_every = 1;
  run.maximize.passes = 1;
  run.state->data = data::fingerprint_of(*set);
}

class FailingRun : public RunTest, public ::testing::WithParamInterface<bool> {};

TEST_P(FailingRun, CanBeResumedWhateverCallFails) {
  const bool for_good = GetParam();
  const auto clean = root_ / "clean", path = root_ / "run";
  FailingFileSystem counting(FailingFileSystem::kNever, ENOSPC);
  std::optional<ReplacedFileSystem> counted(std::in_place, counting);
  SmallRun whole(clean);
  prepare(whole);
  ASSERT_TRUE(whole.trainer().run());
  counted.reset();
  ASSERT_GT(counting.num_calls(), 60) << counting.calls();
  int num_stopped = 0, num_done_again = 0, num_resumed = 0;
  for (int n = 0; n < counting.num_calls(); ++n) {
    fs::remove_all(path);
    FailingFileSystem failing(n, ENOSPC, for_good);
    SCOPED_TRACE(core::cat("call ", n));
    std::string stopped;  // with these words
    try {
      const ReplacedFileSystem replaced(failing);
      SmallRun run(path);
      prepare(run);
      run.trainer().run();
    } catch (const core::UserError& error) {
      stopped = error.what();
      EXPECT_THAT(stopped, HasSubstr("No space left on device"));
    }
    if (for_good && stopped.empty()) {
      EXPECT_EQ(failing.failed(), "close");  // of a folder
    }
    if (!for_good && stopped.empty() && failing.failed() != "close") ++num_done_again;
    if (!stopped.empty()) ++num_stopped;
    FailingFileSystem sound(FailingFileSystem::kNever, 0);
    const ReplacedFileSystem replaced(sound);
    SmallRun again(path, ExistingRun::kResume);
    prepare(again);
    const bool resumed = again.resume();
    num_resumed += resumed;
    // Where the run had begun, its last words say what --resume will do.
    if (stopped.find("--resume") != std::string::npos) {
      EXPECT_THAT(stopped, HasSubstr(resumed ? "the newest saved state" : "no state"));
    }
    EXPECT_TRUE(again.trainer().run());
    expect_same_run(clean, *whole.state, path, *again.state);
    for (const auto& file : fs::directory_iterator(path))
      EXPECT_NE(file.path().extension(), ".tmp") << file.path();
    if (HasFailure()) break;
  }
  std::cout << counting.num_calls() << " calls: " << num_stopped << " stopped the run, "
            << num_done_again << " saves were done again, " << num_resumed << " states resumed\n";
  EXPECT_GT(num_stopped, 20);
  EXPECT_EQ(num_done_again > 20, !for_good);
  EXPECT_GT(num_resumed, 20);
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingRun, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "AllFromOneOn" : "OneAlone"; });

}  // namespace
}  // namespace ipirm::train

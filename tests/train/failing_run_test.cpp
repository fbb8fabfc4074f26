// A run of which any one write, fsync, close or rename fails, or all from there on: it stops with
// one line, the state saved before stays, and a resumed run ends like one that nothing befell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "support/failing_files.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
using core::FailingFileSystem;
using core::ReplacedFileSystem;
using ::testing::HasSubstr;

// Two epochs of one step, with a search before each and a save of weights and state after it.
void prepare(SmallRun& run) {
  const auto set = std::make_shared<RandomImages>(16);
  run.sets.train = run.sets.labelled = run.views.set = set;
  run.options.train.epochs = 2;
  run.options.train.maximize_iter = run.options.train.eval_every = run.options.train.save_every = 1;
  run.options.maximize.passes = 1;
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
  int num_stopped = 0, num_resumed = 0;
  for (int n = 0; n < counting.num_calls(); ++n) {
    fs::remove_all(path);
    FailingFileSystem failing(n, ENOSPC, for_good);
    SCOPED_TRACE(core::cat("call ", n));
    bool stopped = false;
    try {
      const ReplacedFileSystem replaced(failing);
      SmallRun run(path);
      prepare(run);
      run.trainer().run();
    } catch (const core::UserError& error) {
      stopped = true;
      EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    }
    // Only where a descriptor is closed that nothing was written to is a failure passed over.
    if (!stopped) EXPECT_EQ(failing.failed(), "close");
    num_stopped += stopped;
    SmallRun again(path, ExistingRun::kResume);
    prepare(again);
    num_resumed += again.resume();
    EXPECT_TRUE(again.trainer().run());
    expect_same_run(clean, *whole.state, path, *again.state);
    for (const auto& file : fs::directory_iterator(path))
      EXPECT_NE(file.path().extension(), ".tmp") << file.path();
    if (HasFailure()) break;
  }
  EXPECT_GT(num_stopped, counting.num_calls() / 2);
  EXPECT_GT(num_resumed, 20);
}

INSTANTIATE_TEST_SUITE_P(Calls, FailingRun, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "AllFromOneOn" : "OneAlone"; });

}  // namespace
}  // namespace ipirm::train

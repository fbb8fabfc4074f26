// What a run says before and after itself: --dry_run, which writes nothing, --quiet, and the last
// words of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/programs.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DryRun : public ProgramTest {
 protected:
  DryRun() { test_sets::write_cifar10(root_ / "data", 8, 6); }
  // 40 images: five steps an epoch.
  Words run_of(const std::string& more) const {
    return small_run("--dataset CIFAR10 --batch_size 8 --log_level info " + more);
  }
};

TEST_F(DryRun, SaysWhatARunTakesAndWritesNothing) {
  const auto outcome =
      train(run_of("--epochs 9 --maximize_iter 4 --eval_every 2 --save_every 4 --dry_run"));
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_FALSE(fs::exists(root_ / "results"));
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("settings that differ from the defaults\n  dataset: CIFAR10"),
                    HasSubstr("an epoch of 5  "), HasSubstr("3 of them"),
                    HasSubstr("a kNN evaluation  about "), HasSubstr(", 4 of them"),
                    HasSubstr("what a step holds beside them, about  "),
                    HasSubstr("model_E.pt  3 of "), HasSubstr("GroupResults_E.npy  3 of "),
                    HasSubstr("without --dry_run this run starts")));
}

TEST_F(DryRun, EndsWhereMaxStepsDoes) {
  // 20 steps are four epochs, of which the last one's search and evaluation are not made.
  const auto outcome = train(run_of(
      "--epochs 9 --max_steps 20 --maximize_iter 2 --eval_every 2 --save_every 2 --dry_run"));
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr(", 1 of them"), HasSubstr("model_E.pt  1 of "),
                                 HasSubstr("GroupResults_E.npy  2 of ")));
}

TEST_F(DryRun, NamesTheRunThatIsThere) {
  ASSERT_EQ(train(run_of("--baseline")).code, kExitOk);
  const auto before = read("results/CIFAR10/x/metrics.jsonl");
  const auto outcome = train(run_of("--baseline --dry_run"));
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_THAT(outcome.err, HasSubstr("holds a run already"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("this run starts")));
  EXPECT_EQ(read("results/CIFAR10/x/metrics.jsonl"), before);
  expect_refused(train(run_of("--dry_run --quiet")), {"--quiet"});
}

TEST_F(DryRun, ARunEndsWithWhatItCameToAndWhatComesNext) {
  const auto outcome = train(run_of("--epochs 2 --eval_every 1"));
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("loss  "), HasSubstr("knn label  test_acc@1"), HasSubstr("(epoch 2)"),
                    HasSubstr("partitions  "), HasSubstr("next:")));
}

TEST_F(DryRun, QuietShowsNothingThatIsInOrder) {
  for (const char* level : {"--log_level debug", "--log_level error"}) {
    const auto outcome = train(run_of(std::string("--quiet --overwrite ") + level));
    EXPECT_EQ(outcome.code, kExitOk);
    EXPECT_EQ(outcome.out, "") << level;
    EXPECT_EQ(outcome.err, "") << level;
  }
}

}  // namespace
}  // namespace ipirm::app

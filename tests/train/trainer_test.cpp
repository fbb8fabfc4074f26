// The training loop: what it writes, exact resume from any step, online and offline search,
// divergence, refusals.
#include "ipirm/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "ipirm/core/file_system.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

using TrainerTest = RunTest;

TEST_F(TrainerTest, WritesWhatTheSpecSays) {
  SmallRun run(root_ / "a");
  EXPECT_TRUE(run.trainer().run());
  std::map<std::string, int> count;
  for (const auto& line : lines(root_ / "a" / "metrics.jsonl")) {
    ++count[nlohmann::json::parse(line)["event"].get<std::string>()];
  }
  EXPECT_EQ(count["step"], 12);  // 4 epochs of 3 batches
  EXPECT_EQ(count["epoch"], 4);
  EXPECT_EQ(count["maximize"], 3);  // before epoch 1, after 2 and 4
  EXPECT_EQ(count["maximize_pass"], 9);
  EXPECT_EQ(count["knn"], 2);
  for (const char* name : {"GroupResults_0.npy", "GroupResults_2.npy", "GroupResults_4.npy",
                           "model_2.pt", "model_4.pt", "state.pt"}) {
    EXPECT_TRUE(fs::exists(root_ / "a" / name)) << name;
  }
  EXPECT_FALSE(fs::exists(root_ / "a" / "model_1.pt"));
  EXPECT_EQ(lines(root_ / "a" / "knn_result.txt").size(), 2u);
  EXPECT_THAT(lines(root_ / "a" / "knn_result.txt")[0],
              ::testing::MatchesRegex("test_acc@1: .*, test_acc@5: .*"));
  // The reference's lines: of the search, then of steps 1, 1 + log_every, ... with the running mean
  // of the epoch's loss.
  const auto log = lines(root_ / "a" / "log.txt");
  ASSERT_EQ(log.size(), 3u * 4 + 4 * 2);
  EXPECT_THAT(log[0], HasSubstr("Initial Risk: -"));
  EXPECT_THAT(log[1], HasSubstr("Loss not down. Break down training.  Epoch: "));
  EXPECT_THAT(log[2], ::testing::MatchesRegex("Debug:  group1 [0-9]+  group2 [0-9]+"));
  EXPECT_THAT(log[3], HasSubstr("Partition: search  certainty "));
  EXPECT_THAT(log[4], HasSubstr("Train Epoch: [1/4] [16/48]  Loss: "));
  EXPECT_THAT(log[5], HasSubstr("Train Epoch: [1/4] [48/48]  Loss: "));
  double sum = 0;
  for (const auto& event : events(root_ / "a")) {
    const auto step = nlohmann::json::parse(event);
    if (step["event"] == "step" && step["epoch"] == 1) sum += step["loss"].get<double>();
  }
  char mean[32];
  std::snprintf(mean, sizeof mean, "Loss: %.4f  LR", sum / 3);
  EXPECT_THAT(log[5], HasSubstr(mean));
  EXPECT_EQ(run.state->partitions.size(), 3);
}

// Stopped after any step, also right at an epoch's end, a resumed run ends with the same bits and
// writes each event once.
TEST_F(TrainerTest, ResumesExactlyFromAnyStep) {
  SmallRun whole(root_ / "whole");
  ASSERT_TRUE(whole.trainer().run());
  for (const int64_t stop : {1, 3, 5, 6, 8}) {
    const auto path = root_ / core::cat("stopped", stop);
    {
      SmallRun first(path);
      first.options.max_steps = stop;
      EXPECT_FALSE(first.trainer().run());
      EXPECT_EQ(first.state->position.total_steps, stop);
    }
    SmallRun second(path, ExistingRun::kResume);
    second.views.loader.workers = 3;
    ASSERT_TRUE(second.resume());
    EXPECT_TRUE(second.trainer().run());
    SCOPED_TRACE(stop);
    expect_same_run(root_ / "whole", *whole.state, path, *second.state);
  }
}

// A run that died before its first state leaves lines behind: a resume starts anew, without them.
TEST_F(TrainerTest, ResumeWithoutAStateStartsWithEmptyFiles) {
  SmallRun whole(root_ / "whole");
  whole.options.epochs = 1;
  ASSERT_TRUE(whole.trainer().run());
  fs::create_directories(root_ / "dead");
  std::ofstream(root_ / "dead" / "metrics.jsonl") << "{\"event\":\"step\",\"epoch\":1,\"st";
  SmallRun run(root_ / "dead", ExistingRun::kResume);
  run.options.epochs = 1;
  ASSERT_FALSE(run.resume());
  ASSERT_TRUE(run.trainer().run());
  EXPECT_EQ(events(root_ / "whole"), events(root_ / "dead"));
}

TEST_F(TrainerTest, APartitionOfAnotherSetIsRefused) {
  SmallRun run(root_ / "p");
  run.state->partitions.add(torch::zeros({47, 2}));
  EXPECT_THROW(run.trainer(), core::UserError);
}

// What is thrown in the middle of a run (here: by an image that cannot be read) leaves the state up
// to the last step.
TEST_F(TrainerTest, AFailureLeavesTheStateUpToTheLastStep) {
  class Unreadable : public RandomImages {
   public:
    using RandomImages::RandomImages;
    data::Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
      if (broken && i == 40) throw core::UserError("image 40 cannot be read");
      return RandomImages::image(i, scratch);
    }
    bool broken = false;
  };
  SmallRun whole(root_ / "whole"), run(root_ / "u");
  whole.options.shuffle = run.options.shuffle = false;
  ASSERT_TRUE(whole.trainer().run());
  const auto set = std::make_shared<Unreadable>(48);
  run.views.set = run.sets.train = run.sets.labelled = set;
  run.state->partitions.add(whole.state->partitions.logits()[0]);
  set->broken = true;
  EXPECT_THROW(run.trainer().run(), core::UserError);
  EXPECT_EQ(run.state->position.step, 2);  // the third batch holds the image
  run.close();
  SmallRun again(root_ / "u", ExistingRun::kResume);
  again.options.shuffle = false;
  ASSERT_TRUE(again.resume());
  EXPECT_TRUE(again.trainer().run());
  expect_same_weights(whole.state->model, again.state->model);
}

TEST_F(TrainerTest, TheBaselineSearchesNoPartition) {
  SmallRun run(root_ / "b");
  run.loss.baseline = true;
  run.options.epochs = 1;
  EXPECT_TRUE(run.trainer().run());
  EXPECT_TRUE(run.state->partitions.empty());
  for (const auto& event : events(root_ / "b"))
    EXPECT_EQ(event.find("maximize"), std::string::npos);
  EXPECT_TRUE(fs::exists(root_ / "b" / "model_1.pt"));
}

TEST_F(TrainerTest, OnlineSearchRunsWithAnyNumberOfEnvironments) {
  SmallRun run(root_ / "c");
  run.maximize.offline = false;
  run.maximize.batch_size = 20;
  run.maximize.num_env = run.loss.num_env = 3;
  run.options.epochs = 2;
  EXPECT_TRUE(run.trainer().run());
  EXPECT_EQ(run.state->partitions.newest().size(1), 3);
}

// Without --retain_group the newest partition alone counts, and without --random_init the search
// starts from it.
TEST_F(TrainerTest, TheNewestPartitionAloneCounts) {
  SmallRun run(root_ / "d");
  run.state->partitions = partition::PartitionSet(false, torch::kCPU);
  run.maximize.random_init = false;
  run.options.epochs = 2;
  EXPECT_TRUE(run.trainer().run());
  EXPECT_EQ(run.state->partitions.size(), 1);
}

// What a baseline run says that starts from a weight that is NaN.
std::string message_of_diverged(SmallRun& run) {
  {
    torch::NoGradGuard no_grad;
    run.state->model->parameters().back().fill_(std::numeric_limits<float>::quiet_NaN());
  }
  run.loss.baseline = true;
  try {
    run.trainer().run();
  } catch (const DivergedError& error) {
    return error.what();
  }
  return "the run went on";
}

TEST_F(TrainerTest, ALossThatIsNotFiniteStopsTheRunWithItsStepAndState) {
  SmallRun run(root_ / "e");
  EXPECT_THAT(message_of_diverged(run),
              AllOf(HasSubstr("epoch 1, step 1: the loss is nan"), HasSubstr("failed_state.pt")));
  EXPECT_TRUE(fs::exists(root_ / "e" / "failed_state.pt"));
  EXPECT_FALSE(fs::exists(root_ / "e" / "state.pt"));
}

// A full disk does not hide that the run diverged.
TEST_F(TrainerTest, ADivergedRunWhoseStateCannotBeSavedSaysBoth) {
  class NoFailedState : public core::FileSystem {
   public:
    int open(const char* path, int flags, mode_t mode) override {
      if (std::string(path).find("failed_state") == std::string::npos)
        return FileSystem::open(path, flags, mode);
      errno = ENOSPC;
      return -1;
    }
  };
  SmallRun run(root_ / "full");
  NoFailedState full;
  const core::ReplacedFileSystem replaced(full);
  EXPECT_THAT(message_of_diverged(run),
              AllOf(HasSubstr("epoch 1, step 1: the loss is nan"),
                    HasSubstr("could not be saved ("), HasSubstr("No space left on device")));
}

TEST_F(TrainerTest, ABatchLargerThanTheSetIsRefused) {
  SmallRun run(root_ / "f");
  run.options.batch_size = 49;
  EXPECT_THROW(run.trainer(), core::UserError);
}

TEST_F(TrainerTest, AFolderWithARunIsRefusedOverwrittenOrKept) {
  { SmallRun(root_ / "g").trainer().run(); }
  std::ofstream(root_ / "g" / "notes.md") << "mine";
  EXPECT_THROW(SmallRun(root_ / "g"), core::UserError);
  EXPECT_TRUE(fs::exists(root_ / "g" / "model_4.pt"));
  SmallRun again(root_ / "g", ExistingRun::kOverwrite);
  EXPECT_FALSE(fs::exists(root_ / "g" / "model_4.pt"));
  EXPECT_TRUE(fs::exists(root_ / "g" / "notes.md"));
}

// What a run leaves that found the disk full at once stands in no later run's way.
TEST_F(TrainerTest, EmptyFilesAreNoRun) {
  { SmallRun nothing(root_ / "empty"); }
  EXPECT_TRUE(fs::exists(root_ / "empty" / "metrics.jsonl"));
  SmallRun run(root_ / "empty");
  std::ofstream(root_ / "empty" / "log.txt") << "a line";
  run.close();
  EXPECT_THROW(SmallRun(root_ / "empty"), core::UserError);
}

TEST_F(TrainerTest, AStateOfAnotherNetworkIsRefused) {
  { SmallRun(root_ / "h").trainer().run(); }
  SmallRun other(root_ / "h", ExistingRun::kResume);
  model::Model wider(model::ModelOptions{model::Arch::kResNet18, 24, 8});
  other.state.emplace(RunState{
      wider, ops::Adam(wider->parameters(), {}), partition::PartitionSet(true, torch::kCPU), {}});
  EXPECT_THROW(other.resume(), core::UserError);
}

// An evaluation joins the list, and the trainer and the observers need not know it.
TEST_F(TrainerTest, MakesEveryEvaluationOfTheList) {
  struct Count : eval::Evaluation {
    std::string name() const override { return "count"; }
    std::optional<std::vector<eval::FactorScores>> run(model::Model&) override {
      return {{{"label", true, {{"calls", static_cast<double>(++calls)}}}}};
    }
    int calls = 0;
  };
  SmallRun run(root_ / "j");
  run.options.epochs = 2;
  run.options.eval_every = 1;
  run.more_evaluations.push_back(std::make_unique<Count>());
  EXPECT_TRUE(run.trainer().run());
  std::vector<std::string> found;
  for (const auto& event : events(root_ / "j"))
    if (event.find("\"count\"") != std::string::npos) found.push_back(event);
  EXPECT_THAT(
      found, ::testing::ElementsAre(R"({"event":"count","epoch":1,"factor":"label","calls":1.0})",
                                    R"({"event":"count","epoch":2,"factor":"label","calls":2.0})"));
}

// A queue of features, say, that joins the state: a run that was saved without it goes on, and one
// that was saved with it is refused where it is missing.
TEST_F(TrainerTest, APartJoinsTheStateWithoutANewVersion) {
  struct Queue : checkpoint::StatePart {
    checkpoint::StateDict state() const override { return {{"queue.features", features}}; }
    void load(checkpoint::SavedTensors& saved) override {
      if (saved.holds("queue.features"))
        features = saved.take("queue.features", {2, 3}, torch::kFloat32);
    }
    torch::Tensor features = torch::zeros({2, 3});
  };
  const auto run_to = [&](int64_t epochs, std::shared_ptr<Queue> queue) {
    SmallRun run(root_ / "k", ExistingRun::kResume);
    run.options.epochs = epochs;
    if (queue) run.more_parts.push_back(queue);
    run.resume();
    run.trainer().run();
  };
  run_to(1, nullptr);
  const auto queue = std::make_shared<Queue>();
  queue->features = torch::ones({2, 3});
  run_to(2, queue);
  EXPECT_TRUE(torch::equal(queue->features, torch::ones({2, 3})));
  const auto again = std::make_shared<Queue>();
  run_to(2, again);
  EXPECT_TRUE(torch::equal(again->features, torch::ones({2, 3})));
  EXPECT_THROW(run_to(3, nullptr), core::UserError);
}

}  // namespace
}  // namespace ipirm::train

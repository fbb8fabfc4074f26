// Runs whose partitions come from chance or from a known factor, from the source to the files; what
// each partition is judged to be; resume inside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <nlohmann/json.hpp>

#include "ipirm/checkpoint/npy.h"
#include "ipirm/partition/sources.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using ControlsTest = RunTest;

torch::Tensor environments(const fs::path& folder, int64_t epoch) {
  return checkpoint::read_npy(folder / core::cat("GroupResults_", epoch, ".npy")).argmax(1);
}

std::vector<nlohmann::json> maximizations(const std::vector<std::string>& events) {
  std::vector<nlohmann::json> found;
  for (const auto& text : events) {
    const auto event = nlohmann::json::parse(text);
    if (event["event"] == "maximize") found.push_back(event);
  }
  return found;
}

TEST_F(ControlsTest, RandomPartitionsAreDrawnAnewAtEachDueTimeAndForEachSeed) {
  for (const uint64_t seed : {1, 2}) {
    SmallRun run(root_ / core::cat("seed", seed));
    run.maximize.seed = seed;
    run.state->source = "random";
    EXPECT_TRUE(run.trainer().run());
    EXPECT_EQ(run.state->partitions.size(), 3);  // before epoch 1, after 2 and 4: as a search would
  }
  const auto first = environments(root_ / "seed1", 0);
  EXPECT_FALSE(torch::equal(first, environments(root_ / "seed1", 2)));
  EXPECT_FALSE(torch::equal(first, environments(root_ / "seed2", 0)));
  for (const int64_t epoch : {0, 2, 4}) {  // --constrain: as many in each
    EXPECT_EQ(environments(root_ / "seed1", epoch).sum().item<int64_t>(), 24) << epoch;
  }
  const auto found = maximizations(events(root_ / "seed1"));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0]["source"], "random");
  EXPECT_FALSE(found[0].contains("risk"));  // nothing was searched for
  EXPECT_EQ(found[0]["certainty"].get<double>(), 1);
  EXPECT_FALSE(found[0].contains("overlap"));  // nothing was before
  EXPECT_LT(found[1]["overlap"].get<double>(), .9);
}

TEST_F(ControlsTest, APartitionByAFactorIsTheFactor) {
  SmallRun run(root_ / "a");
  run.maximize.num_env = run.loss.num_env = 3;
  run.state->source = "factor:label";
  run.options.epochs = 2;
  EXPECT_TRUE(run.trainer().run());
  const auto labels = torch::tensor(run.sets.train->factors()[0].values, torch::kInt64);
  for (const int64_t epoch : {0, 2})
    EXPECT_TRUE(torch::equal(environments(root_ / "a", epoch), labels));
  for (const auto& event : maximizations(events(root_ / "a"))) {
    EXPECT_EQ(event["source"], "factor:label");
    EXPECT_NEAR(event["factors"]["label"]["share"].get<double>(), 1, 1e-12);
    EXPECT_NEAR(event["factors"]["label"]["information"].get<double>(), std::log(3.), 1e-12);
  }
  EXPECT_THAT(lines(root_ / "a" / "log.txt"),
              ::testing::Contains("Partition: factor:label  certainty 1.000  label  1.0986 nats "
                                  "(100.0 %)"));
}

TEST_F(ControlsTest, AFactorThatTheSetHasNotIsNamedWithThoseThatItHas) {
  SmallRun run(root_ / "b");
  run.state->source = "factor:camera";
  try {
    run.trainer();
    ADD_FAILURE() << "an unknown factor was taken";
  } catch (const core::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("factor:camera"));
    EXPECT_THAT(error.what(), HasSubstr("have the factors label"));
  }
}

// The whole set as one environment: the penalty without a partition.
TEST_F(ControlsTest, OneEnvironmentIsTheWholeSet) {
  SmallRun run(root_ / "c");
  run.maximize.num_env = run.loss.num_env = 1;
  run.state->source = "random";
  run.options.epochs = 2;
  EXPECT_TRUE(run.trainer().run());
  EXPECT_EQ(environments(root_ / "c", 0).sum().item<int64_t>(), 0);
  for (const auto& text : events(root_ / "c")) {
    const auto event = nlohmann::json::parse(text);
    if (event["event"] != "step") continue;
    // InfoNCE of the one environment is that of the batch.
    EXPECT_NEAR(event["contrastive"].get<double>(), event["batch_contrastive"].get<double>(), 1e-5);
    EXPECT_GT(event["penalty"].get<double>(), 0);
  }
}

class ControlsResume : public RunTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(ControlsResume, GoesOnToTheSameBits) {
  SmallRun whole(root_ / "whole");
  whole.state->source = GetParam();
  ASSERT_TRUE(whole.trainer().run());
  for (const int64_t stop : {1, 6, 7}) {
    SCOPED_TRACE(stop);
    const auto path = root_ / core::cat("stopped", stop);
    {
      SmallRun first(path);
      first.state->source = GetParam();
      first.options.max_steps = stop;
      EXPECT_FALSE(first.trainer().run());
    }
    SmallRun second(path, ExistingRun::kResume);
    second.state->source = GetParam();
    ASSERT_TRUE(second.resume());
    EXPECT_TRUE(second.trainer().run());
    expect_same_run(root_ / "whole", *whole.state, path, *second.state);
  }
  SmallRun other(root_ / "stopped1", ExistingRun::kResume);
  other.state->source = "search";
  EXPECT_THROW(other.resume(), core::UserError);
}

INSTANTIATE_TEST_SUITE_P(Sources, ControlsResume, ::testing::Values("random", "factor:label"),
                         [](const auto& test) {
                           return std::string(test.param) == "random" ? "Random" : "Factor";
                         });

}  // namespace
}  // namespace ipirm::train

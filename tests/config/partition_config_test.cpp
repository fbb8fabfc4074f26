// Checks ipirm-partition's settings: defaults equal to ipirm-train's, precedence, contradictions.
#include "ipirm/config/partition_config.h"

#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

Words files(const Words& more = {}) {
  Words words = {"--view1", "a.npy", "--view2", "b.npy", "--out", "p.npy"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void expect_same(const partition::MaximizeOptions& a, const partition::MaximizeOptions& b) {
  EXPECT_EQ(a.num_env, b.num_env);
  EXPECT_EQ(a.risk.temperature, b.risk.temperature);
  EXPECT_EQ(a.risk.irm_temperature, b.risk.irm_temperature);
  EXPECT_EQ(a.risk.irm_weight, b.risk.irm_weight);
  EXPECT_EQ(a.risk.irm_mode, b.risk.irm_mode);
  EXPECT_EQ(a.risk.balance.constrain, b.risk.balance.constrain);
  EXPECT_EQ(a.risk.balance.constrain_relax, b.risk.balance.constrain_relax);
  EXPECT_EQ(a.risk.balance.nonorm, b.risk.balance.nonorm);
  EXPECT_EQ(a.batch_size, b.batch_size);
  EXPECT_EQ(a.passes, b.passes);
  EXPECT_EQ(a.lr, b.lr);
  EXPECT_EQ(a.milestones, b.milestones);
  EXPECT_EQ(a.shuffle, b.shuffle);
  EXPECT_EQ(a.seed, b.seed);
}

TEST(PartitionSettings, AreThoseOfTraining) {
  const PartitionConfig c = *partition_tool(files());
  EXPECT_EQ(c.view1, "a.npy");
  EXPECT_EQ(c.view2, "b.npy");
  EXPECT_EQ(c.out, "p.npy");
  EXPECT_EQ(c.init, "");
  EXPECT_EQ(c.device, core::DeviceChoice());
  EXPECT_FALSE(c.overwrite || c.no_shuffle);
  expect_same(c.maximize, train({})->maximize);

  const Words flags = {"--env_num",
                       "3",
                       "--temperature",
                       ".2",
                       "--irm_temp",
                       ".7",
                       "--irm_weight_maxim",
                       ".5",
                       "--irm_mode",
                       "v2",
                       "--constrain",
                       "--constrain_relax",
                       "--nonorm",
                       "--maximize_batch",
                       "0",
                       "--maximize_passes",
                       "7",
                       "--maximize_lr",
                       ".1",
                       "--maximize_milestones",
                       "2,4",
                       "--no_shuffle",
                       "--seed",
                       "9"};
  const auto given = partition_tool(files(flags))->maximize;
  EXPECT_EQ(given.num_env, 3);
  EXPECT_EQ(given.risk.temperature, .2);
  EXPECT_EQ(given.milestones, (std::vector<int64_t>{2, 4}));
  EXPECT_FALSE(given.shuffle);
  expect_same(given, train(flags)->maximize);
}

TEST(PartitionSettings, CommandLineOverFileOverDefault) {
  const YamlFile file("view1: a.npy\nview2: b.npy\nout: p.npy\nenv_num: 3\nno_shuffle: true\n");
  const PartitionConfig c = *partition_tool({"--config", file.path(), "--env-num=4"});
  EXPECT_EQ(c.view2, "b.npy");
  EXPECT_EQ(c.maximize.num_env, 4);
  EXPECT_FALSE(c.maximize.shuffle);
  EXPECT_EQ(c.maximize.passes, 61);
}

TEST(PartitionSettings, ErrorsNameFlagAndExpectation) {
  EXPECT_THAT(partition_tool_error({}), HasSubstr("--view1 is missing"));
  EXPECT_THAT(partition_tool_error({"--view1", "a.npy"}), HasSubstr("--view2 is missing"));
  EXPECT_THAT(partition_tool_error({"--view1", "a.npy", "--view2", "b.npy"}),
              HasSubstr("--out is missing"));
  EXPECT_EQ(partition_tool_error(files({"--env_num", "1"})),
            "--env_num: found '1', expected a whole number from 2 to 65536");
  EXPECT_THAT(partition_tool_error(files({"--maximize_batch", "1"})),
              HasSubstr("--maximize_batch: found '1', expected 0 (the whole set) or at least 2"));
  EXPECT_THAT(partition_tool_error(files({"--maximize_batch", "-3"})),
              HasSubstr("--maximize_batch: found '-3'"));
  EXPECT_THAT(partition_tool_error(files({"--views", "a.npy"})), HasSubstr("did you mean --view"));
  const YamlFile file("view1: a.npy\noverwrite: true\n");
  EXPECT_THAT(partition_tool_error({"--config", file.path()}), HasSubstr(":2"));
}

TEST(PartitionWarnings, NameTheSettingWithoutEffect) {
  const auto warnings = partition_tool(files({"--constrain_relax"}))->warnings;
  EXPECT_EQ(warnings, Words{"--constrain_relax has no effect without --constrain: it is ignored"});
  EXPECT_TRUE(partition_tool(files({"--constrain_relax", "--constrain"}))->warnings.empty());
}

}  // namespace
}  // namespace ipirm::config

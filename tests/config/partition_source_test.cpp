// --partition_source: its forms, what they mean, and what does not go with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using partition::SourceKind;
using ::testing::HasSubstr;

TEST(PartitionSource, TakesEachForm) {
  EXPECT_EQ(train({})->source.kind, SourceKind::kSearch);
  EXPECT_EQ(train({"--partition_source", "search"})->source.kind, SourceKind::kSearch);
  EXPECT_EQ(train({"--partition_source", "random"})->source.kind, SourceKind::kRandom);
  const auto factor = train({"--partition_source", "factor:time of day: 2"})->source;
  EXPECT_EQ(factor.kind, SourceKind::kFactor);
  EXPECT_EQ(factor.factor, "time of day: 2");
}

TEST(PartitionSource, ComesBackFromYaml) {
  for (const char* source : {"search", "random", "factor:hue"}) {
    const auto text = to_yaml(*train({"--partition_source", source}));
    const YamlFile file(text);
    EXPECT_EQ(to_yaml(*train({"--config", file.path()})), text);
    EXPECT_THAT(text, HasSubstr(source));
  }
}

TEST(PartitionSource, OtherWordsAreRefused) {
  for (const char* source : {"chance", "factor", "factor:", "random:2", ""}) {
    EXPECT_THAT(train_error({"--partition_source", source}),
                HasSubstr("expected one of search, random, factor:NAME"))
        << source;
  }
}

TEST(PartitionSource, OneEnvironmentNeedsASourceThatSearchesForNothing) {
  EXPECT_THAT(train_error({"--env_num", "1"}),
              HasSubstr("expected at least 2, since a search divides the set"));
  EXPECT_EQ(train({"--env_num", "1", "--partition_source", "random"})->maximize.num_env, 1);
}

TEST(PartitionSource, TheBaselineHasNoPartition) {
  EXPECT_THAT(train_error({"--baseline", "--partition_source", "random"}),
              HasSubstr("--baseline uses no partition"));
}

}  // namespace
}  // namespace ipirm::config

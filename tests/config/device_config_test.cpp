// --device, --precision and --deterministic, which all programs that compute take alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using core::DeviceChoice;
using core::DeviceKind;
using ::testing::HasSubstr;

TEST(DeviceSetting, TakesAKindOrAGpuByNumber) {
  const auto device = [](const std::string& text) { return train({"--device", text})->device; };
  EXPECT_EQ(device("auto"), DeviceChoice());
  EXPECT_EQ(device("cpu"), DeviceChoice{DeviceKind::kCpu});
  EXPECT_EQ(device("cuda"), DeviceChoice{DeviceKind::kCuda});
  EXPECT_EQ(device("cuda:0"), device("cuda"));
  EXPECT_EQ(device("cuda:3"), (DeviceChoice{DeviceKind::kCuda, 3}));
  EXPECT_EQ(partition_tool(
                {"--view1", "a.npy", "--view2", "b.npy", "--out", "c.npy", "--device", "cuda:1"})
                ->device.index,
            1);
}

TEST(DeviceSetting, RefusesWhatNamesNoDevice) {
  for (const char* text : {"gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:64", "cuda:99999999999",
                           "cpu:0", "auto:1", "", ":0"}) {
    EXPECT_THAT(train_error({"--device", text}), HasSubstr("--device")) << text;
    EXPECT_THAT(train_error({"--device", text}), HasSubstr("cuda:N")) << text;
  }
}

TEST(DeviceSetting, StandsInTheConfiguration) {
  EXPECT_THAT(to_yaml(*train({"--device", "cuda:2"})), HasSubstr("\ndevice: \"cuda:2\"\n"));
  const YamlFile file("device: cuda:2\nprecision: tf32\ndeterministic: true\n");
  const auto config = *train({"--config", file.path()});
  EXPECT_EQ(config.device, (DeviceChoice{DeviceKind::kCuda, 2}));
  EXPECT_EQ(config.precision, model::Precision::kTf32);
  EXPECT_FALSE(config.train.bf16);
  EXPECT_TRUE(config.deterministic);
}

}  // namespace
}  // namespace ipirm::config

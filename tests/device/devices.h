// The devices that a test is run on: the CPU, the fake one, and CUDA where there is a GPU.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fake_device/fake_device.h"
#include "ipirm/app/device.h"
#include "train/small_run.h"

namespace ipirm::test {

enum class Kind { kCpu, kFake, kCuda };
inline const auto kAllKinds = ::testing::Values(Kind::kCpu, Kind::kFake, Kind::kCuda);
// Those that are compared with the CPU.
inline const auto kOtherKinds = ::testing::Values(Kind::kFake, Kind::kCuda);

inline std::string name_of(Kind kind) {
  return kind == Kind::kCpu ? "Cpu" : kind == Kind::kFake ? "Fake" : "Cuda";
}

// Throws UserError, which says why, where there is none.
inline torch::Device device_of(Kind kind) {
  if (kind == Kind::kCpu) return torch::kCPU;
  return kind == Kind::kFake ? fake_device::kDevice : app::choose_device({core::DeviceKind::kCuda});
}

// Largest relative difference between numbers of the CPU and those of a device. On the fake device
// the kernels are the CPU's, but not the order in which the operators add; on a GPU all is another.
inline double tolerance(Kind kind) { return kind == Kind::kCuda ? 1e-4 : 1e-5; }

// A test with a folder for its runs on one of the devices.
template <class Param>
class DeviceTest : public train::RunTest, public ::testing::WithParamInterface<Param> {
 protected:
  // The test's parameter says which; call it first in a test.
  void use(Kind kind) {
    kind_ = kind;
    try {
      device_ = device_of(kind);
    } catch (const core::UserError& error) {
      GTEST_SKIP() << error.what();
    }
  }

  using Numbers = std::map<std::string, double>;
  // The numbers of each event of a kind ("step", "knn") in a run's metrics.jsonl, without times.
  static std::vector<Numbers> numbers_of(const std::filesystem::path& folder,
                                         const std::string& kind) {
    std::vector<Numbers> all;
    for (const auto& line : lines(folder / "metrics.jsonl")) {
      const auto event = nlohmann::json::parse(line);
      if (event["event"] != kind) continue;
      auto& numbers = all.emplace_back();
      for (const auto& [name, value] : event.items())
        if (value.is_number() && name != "seconds") numbers[name] = value;
    }
    return all;
  }
  static void expect_near(const Numbers& found, const Numbers& expected, double tolerance) {
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, value] : expected) {
      ASSERT_TRUE(found.contains(name)) << name;
      EXPECT_NEAR(found.at(name), value, tolerance * std::max(1.0, std::abs(value))) << name;
    }
  }

  Kind kind_ = Kind::kCpu;
  torch::Device device_ = torch::kCPU;
};

}  // namespace ipirm::test

// The search for a partition on every device, as ipirm-partition makes it: golden values, and the
// CPU's numbers pass by pass.
#include <gtest/gtest.h>
#include <torch/nn/functional/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "device/devices.h"
#include "ipirm/app/partition_app.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/to_device.h"
#include "ipirm/partition/maximizer.h"
#include "support/golden.h"

namespace ipirm::test {
namespace {

using ::ipirm::testing::golden;
using ::ipirm::testing::golden_scalar;
using ::ipirm::testing::relative_error;
using partition::BankSource;
using partition::MaximizeOptions;
using partition::PassReport;

class SearchOn : public DeviceTest<Kind> {
 protected:
  torch::Tensor there(const torch::Tensor& tensor) const {
    return core::to_device(tensor, device_);
  }
};

// golden/README.md, maximize_offline.
constexpr double kGoldenTolerance = 1e-6;

TEST_P(SearchOn, FollowsTheReference) {
  use(GetParam());
  if (IsSkipped()) return;
  const std::string name = "maximize_offline";
  MaximizeOptions options;
  options.risk.temperature = golden_scalar(name, "temperature");
  options.risk.irm_temperature = golden_scalar(name, "irm_temp");
  options.risk.irm_weight = golden_scalar(name, "irm_weight");
  options.risk.balance.constrain = golden_scalar(name, "constrain") != 0;
  options.risk.balance.constrain_relax = golden_scalar(name, "constrain_relax") != 0;
  BankSource source(there(golden(name, "z1")), there(golden(name, "z2")), 20,
                    there(golden(name, "order")));
  const auto found = partition::maximize(
      source, there(golden(name, "split_init")), options, [] { return false; },
      [](const PassReport&) {});
  EXPECT_LT(relative_error(found.logits.cpu(), golden(name, "split_best")), kGoldenTolerance);
}

// float32, fresh orders, all three forms of a batch.
TEST_P(SearchOn, GivesTheNumbersOfTheCpu) {
  use(GetParam());
  if (IsSkipped()) return;
  torch::manual_seed(3);
  const auto unit = [] {
    return torch::nn::functional::normalize(torch::randn({150, 16}),
                                            torch::nn::functional::NormalizeFuncOptions().dim(1));
  };
  const auto z1 = unit(), z2 = unit(), lam = torch::rand({150}) / 2 + .5;
  MaximizeOptions options;
  options.passes = 4;
  options.risk.balance.constrain = options.risk.balance.constrain_relax = true;
  const auto initial = partition::random_logits(150, 2, 7, 0);
  for (const bool mixed : {false, true}) {
    const auto risks_on = [&](torch::Device device) {
      const auto to = [&](const torch::Tensor& t) { return core::to_device(t, device); };
      BankSource source(to(z1), to(z2), 60, /*shuffle=*/true, 5, 0,
                        mixed ? to(lam) : torch::Tensor());
      std::vector<PassReport> reports;
      const auto found = partition::maximize(
          source, to(initial), options, [] { return false; },
          [&](const PassReport& report) { reports.push_back(report); });
      EXPECT_EQ(found.logits.device(), device);
      return reports;
    };
    const auto expected = risks_on(torch::kCPU), found = risks_on(device_);
    ASSERT_EQ(found.size(), 4u);
    for (size_t pass = 0; pass < 4; ++pass) {
      EXPECT_NEAR(found[pass].risk / expected[pass].risk, 1, tolerance(kind_)) << mixed << pass;
      EXPECT_NEAR(found[pass].contrastive / expected[pass].contrastive, 1, tolerance(kind_));
      EXPECT_NEAR(found[pass].invariance / expected[pass].invariance, 1, 10 * tolerance(kind_));
    }
  }
}

// The whole program: its files are those of the CPU.
TEST_P(SearchOn, ThePartitionToolWritesWhatTheCpuWrites) {
  use(GetParam());
  if (IsSkipped()) return;
  torch::manual_seed(5);
  std::filesystem::create_directories(root_);
  for (const char* view : {"z1.npy", "z2.npy"}) {
    const auto z = torch::randn({90, 8});
    checkpoint::write_npy(root_ / view, z / z.norm(2, 1, true));
  }
  const auto logits_on = [&](torch::Device device) {
    config::PartitionConfig config;
    config.view1 = root_ / "z1.npy";
    config.view2 = root_ / "z2.npy";
    config.out = root_ / core::cat(device, ".npy");
    config.overwrite = true;
    config.maximize.passes = 3;
    config.maximize.batch_size = 40;
    EXPECT_EQ(app::run_partition_on(device, config), 0);
    return checkpoint::read_npy(config.out);
  };
  const auto found = logits_on(device_), expected = logits_on(torch::kCPU);
  EXPECT_LT(relative_error(found, expected), 10 * tolerance(kind_));
}

INSTANTIATE_TEST_SUITE_P(Devices, SearchOn, kAllKinds,
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace ipirm::test

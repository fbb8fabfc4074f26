// How many operators a step asks a GPU for: the table of src/train/README.md.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "fake_device/fake_device.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/to_device.h"
#include "ipirm/ops/environment_loss.h"
#include "ipirm/ops/partition_risk.h"
#include "ipirm/train/step.h"
#include "ipirm/train/step_history.h"
#include "ops/device_kernels.h"

namespace ipirm::test {
namespace {

using fake_device::Counts;
using fake_device::kDevice;
using fake_device::take_counts;

constexpr int64_t kBatch = 16;

struct StepCase {
  int64_t partitions;
  bool bf16;
  bool mixup = false;
};

// All that the trainer does for one step, from the loader's bytes on.
Counts counts_of_step(const StepCase& c) {
  torch::manual_seed(1);
  model::Model model(model::ModelOptions{model::Arch::kResNet50, 16, 8});
  model->to(kDevice);
  model::use_channels_last(*model);
  ops::Adam adam(model->parameters(), {.lr = 1e-3});
  const auto bytes = [] {
    return torch::randint(0, 256, {kBatch, 3, 16, 16}, torch::kUInt8)
        .contiguous(torch::MemoryFormat::ChannelsLast)
        .pin_memory();
  };
  const auto view1 = bytes(), view2 = bytes();
  const auto environment = torch::randint(0, 2, {c.partitions, kBatch}, torch::kInt64);
  loss::LossOptions loss;
  loss.keep_cont = true;
  loss.mixup.on = c.mixup;
  const auto step = train::make_step(loss, {.retain_group = true, .bf16 = c.bf16});
  train::StepHistory history(1, kDevice);
  const auto view = [](const torch::Tensor& pixels) {
    return augment::normalised(core::to_device(pixels, kDevice));
  };
  take_counts();
  history.add(step->run(model, adam, {view(view1), view(view2), environment, .2}));
  const auto counts = take_counts();
  EXPECT_EQ(counts.num_waits(), 0) << Counts::text(counts.waits);
  return counts;
}

int64_t launches_of_step(const StepCase& c) {
  const auto counts = counts_of_step(c);
  std::printf("P %d%s%s: %d launches\n", static_cast<int>(c.partitions), c.bf16 ? ", bf16" : "",
              c.mixup ? ", MixUp" : "", static_cast<int>(counts.num_launches()));
  if (std::getenv("IPIRM_SHOW_LAUNCHES"))
    for (const auto& [name, count] : counts.launches)
      std::printf("  %5d %s\n", static_cast<int>(count), name.c_str());
  return counts.num_launches();
}

// Where the kernels don't run on the CPU, the ATen forms' launches say nothing.
class Launches : public ::testing::Test {
 protected:
  void SetUp() override {
    if (ops::device_kernels(kDevice.type()).partition_risk == nullptr)
      GTEST_SKIP() << "the host run of CUDA's kernels needs x86-64";
  }
};

constexpr int64_t kLimit = 1000;     // of a ResNet-50's step
constexpr int64_t kMixupPass = 600;  // for each forward and backward pass of MixUp's

TEST_F(Launches, OfAMinimizationStep) {
  for (const int64_t partitions : {1, 8}) EXPECT_LE(launches_of_step({partitions, false}), kLimit);
  EXPECT_LE(launches_of_step({8, true}), kLimit);
}

// Each partition has a pass for the second views and one for each of its two environments, beside
// the two of the whole batch.
TEST_F(Launches, OfAMixupStep) {
  constexpr int64_t kPartitions = 2, kPasses = 2 + 3 * kPartitions;
  EXPECT_LE(launches_of_step({kPartitions, false, true}), kMixupPass * kPasses);
}

torch::Tensor on_device(const torch::Tensor& tensor) { return tensor.to(kDevice); }

TEST_F(Launches, OfEnvironmentLossWhateverThePartitions) {
  for (const int64_t partitions : {1, 14}) {
    const auto z1 = on_device(torch::randn({kBatch, 8})).requires_grad_(true),
               z2 = on_device(torch::randn({kBatch, 8})).requires_grad_(true);
    const auto environment = on_device(torch::randint(0, 2, {partitions, kBatch}, torch::kInt64));
    const auto ones = on_device(torch::ones({partitions, 2}));
    take_counts();
    const auto [contrastive, penalty] = ops::environment_loss(z1, z2, environment, 2, .5, .5);
    torch::autograd::grad({contrastive, penalty}, {z1, z2}, {ones, ones});
    const auto counts = take_counts();
    EXPECT_LE(counts.num_launches(), 20) << Counts::text(counts.launches);
    EXPECT_EQ(counts.num_waits(), 0) << Counts::text(counts.waits);
  }
}

// The number does not depend on the samples up to about 8,000 (partition_risk_launch.h).
TEST_F(Launches, OfPartitionRisk) {
  constexpr int64_t kSamples = 150;
  const auto z1 = on_device(torch::randn({kSamples, 8})),
             z2 = on_device(torch::randn({kSamples, 8}));
  const auto weights = on_device(torch::rand({kSamples, 2}));
  take_counts();
  ops::partition_risk(z1, z2, weights, .5, .5, .5);
  const auto counts = take_counts();
  EXPECT_LE(counts.num_launches(), 60) << Counts::text(counts.launches);
  EXPECT_EQ(counts.num_waits(), 0) << Counts::text(counts.waits);
}

}  // namespace
}  // namespace ipirm::test

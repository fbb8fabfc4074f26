// How many operators a step asks a GPU for: the table of src/train/README.md.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "fake_device/fake_device.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/to_device.h"
#include "ipirm/ops/environment_loss.h"
#include "ipirm/train/step.h"
#include "ipirm/train/step_history.h"

namespace ipirm::test {
namespace {

using fake_device::Counts;
using fake_device::kDevice;
using fake_device::take_counts;

constexpr int64_t kBatch = 16;

struct StepCase {
  model::Arch arch;
  int64_t partitions;
  bool bf16;
  bool mixup = false;
};

// What environment_loss launches for one step of P partitions, forward and backward. Its kernels
// will launch at most 5 (src/ops): then this goes, and the steps' limits hold as a whole.
int64_t launches_of_environment_loss(int64_t partitions) {
  const auto options = torch::TensorOptions(kDevice);
  const auto z1 = torch::randn({kBatch, 8}).to(kDevice).requires_grad_(true),
             z2 = torch::randn({kBatch, 8}).to(kDevice).requires_grad_(true);
  const auto environment =
      torch::randint(0, 2, {partitions, kBatch}, torch::kInt64).to(options.device());
  const auto ones = torch::ones({partitions, 2}, options);
  take_counts();
  const auto [contrastive, penalty] = ops::environment_loss(z1, z2, environment, 2, .5, .5);
  torch::autograd::grad({contrastive, penalty}, {z1, z2}, {ones, ones});
  return take_counts().num_launches();
}

// All that the trainer does for one step, from the loader's bytes on.
Counts counts_of_step(const StepCase& c) {
  torch::manual_seed(1);
  model::Model model(model::ModelOptions{c.arch, 16, 8});
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

int64_t launches_without_environment_loss(const StepCase& c) {
  const auto counts = counts_of_step(c);
  const auto share = c.mixup ? 0 : launches_of_environment_loss(c.partitions);
  std::printf("P %d%s%s: %d launches, %d of them environment_loss\n",
              static_cast<int>(c.partitions), c.bf16 ? ", bf16" : "", c.mixup ? ", MixUp" : "",
              static_cast<int>(counts.num_launches()), static_cast<int>(share));
  if (std::getenv("IPIRM_SHOW_LAUNCHES"))
    for (const auto& [name, count] : counts.launches)
      std::printf("  %5d %s\n", static_cast<int>(count), name.c_str());
  return counts.num_launches() - share;
}

constexpr int64_t kLimit = 1000;  // of a ResNet-50's step
constexpr int64_t kBf16Limit = 1150;
constexpr int64_t kMixupPass = 600;         // for each forward and backward pass of MixUp's
constexpr int64_t kEnvironmentKernels = 5;  // of environment_loss, once it has kernels

TEST(Launches, OfAMinimizationStep) {
  for (const int64_t partitions : {1, 8}) {
    EXPECT_LE(launches_without_environment_loss({model::Arch::kResNet50, partitions, false}),
              kLimit - kEnvironmentKernels);
  }
}

// Autocast adds the casts of the weights and of their gradients.
TEST(Launches, OfAMinimizationStepInBfloat16) {
  EXPECT_LE(launches_without_environment_loss({model::Arch::kResNet50, 8, true}), kBf16Limit);
}

// Each partition has a pass for the second views and one for each of its two environments, beside
// the two of the whole batch.
TEST(Launches, OfAMixupStep) {
  constexpr int64_t kPartitions = 2, kPasses = 2 + 3 * kPartitions;
  EXPECT_LE(launches_without_environment_loss({model::Arch::kResNet50, kPartitions, false, true}),
            kMixupPass * kPasses);
}

}  // namespace
}  // namespace ipirm::test

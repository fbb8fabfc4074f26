// Checkpoints and states across devices: what one device saved, another goes on from.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "device/devices.h"
#include "ipirm/checkpoint/host_copy.h"

namespace ipirm::test {
namespace {

using train::ExistingRun;
using train::SmallRun;

class ResumeOn : public DeviceTest<Kind> {
 protected:
  // Stopped inside the second of two epochs, after a search.
  static constexpr int64_t kStop = 4;

  static void shorten(SmallRun& run) {
    run.options.epochs = 2;
    run.options.maximize_iter = run.options.eval_every = run.options.save_every = 1;
  }
  void train_to_stop(const std::string& folder, torch::Device device) {
    SmallRun run(root_ / folder, ExistingRun::kRefuse, device);
    shorten(run);
    run.options.max_steps = kStop;
    EXPECT_FALSE(run.trainer().run());
  }
  // Goes on to the end; nothing where there is no state.
  void go_on(const std::string& folder, torch::Device device) {
    SmallRun run(root_ / folder, ExistingRun::kResume, device);
    shorten(run);
    ASSERT_TRUE(run.resume());
    EXPECT_EQ(run.state->position.total_steps, kStop);
    EXPECT_EQ(run.state->partitions.newest().device(), device);
    EXPECT_TRUE(run.trainer().run());
  }
};

TEST_P(ResumeOn, GoesOnToTheSameBitsOnTheSameDevice) {
  use(GetParam());
  if (IsSkipped()) return;
  if (device_.is_cuda()) GTEST_SKIP() << "a GPU's sums are not bit-reproducible by default";
  train_to_stop("stopped", device_);
  SmallRun whole(root_ / "whole", ExistingRun::kRefuse, device_);
  shorten(whole);
  ASSERT_TRUE(whole.trainer().run());
  SmallRun again(root_ / "stopped", ExistingRun::kResume, device_);
  shorten(again);
  ASSERT_TRUE(again.resume());
  ASSERT_TRUE(again.trainer().run());
  expect_same_run(root_ / "whole", *whole.state, root_ / "stopped", *again.state);
}

// The step after the stop has the loss that it would have had where the run came from.
TEST_P(ResumeOn, AStateChangesDevices) {
  use(GetParam());
  if (IsSkipped()) return;
  const torch::Device cpu = torch::kCPU;
  int ways = 0;
  for (const auto& [from, to] : {std::pair(cpu, device_), std::pair(device_, cpu)}) {
    const auto name = core::cat("way", ++ways);
    train_to_stop(name, from);
    train_to_stop(name + "_stays", from);
    go_on(name, to);
    go_on(name + "_stays", from);
    const auto found = numbers_of(root_ / name, "step"),
               expected = numbers_of(root_ / (name + "_stays"), "step");
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_GT(found.size(), static_cast<size_t>(kStop));
    expect_near(found[kStop], expected[kStop], 10 * tolerance(kind_));
  }
}

// A search that was stopped between two passes goes on, too.
TEST_P(ResumeOn, ASearchUnderWayChangesDevices) {
  use(GetParam());
  if (IsSkipped()) return;
  SmallRun first(root_ / "search", ExistingRun::kRefuse, torch::kCPU);
  first.state->search = partition::new_search(partition::random_logits(48, 2, 3, 0));
  first.state->search->passes = 1;
  first.state->search->best = first.state->search->logits;
  first.store().save();
  first.store().finish();
  first.close();
  SmallRun second(root_ / "search", ExistingRun::kResume, device_);
  ASSERT_TRUE(second.resume());
  ASSERT_TRUE(second.state->search);
  EXPECT_EQ(second.state->search->logits.device(), device_);
  second.options.epochs = 1;
  EXPECT_TRUE(second.trainer().run());
  const auto passes = numbers_of(root_ / "search", "maximize_pass");
  ASSERT_EQ(passes.size(), 2u);  // of three
  EXPECT_EQ(passes[0].at("pass"), 1);
}

// Type, shape, strides and elements of all kinds of tensors, those that share memory among them.
TEST_P(ResumeOn, AHostCopyIsTheTensorsOnTheCpu) {
  use(GetParam());
  if (IsSkipped()) return;
  torch::manual_seed(5);
  const auto whole = torch::randn({6, 5, 4, 3}).to(device_);
  const checkpoint::StateDict tensors = {
      {"channels_last", whole.contiguous(torch::MemoryFormat::ChannelsLast)},
      {"part", whole.slice(0, 1, 3)},
      {"gaps", whole.slice(3, 0, 2)},
      {"turned", whole.select(0, 0).select(0, 0).t()},
      {"number", torch::full({}, 7, torch::TensorOptions(torch::kInt64).device(device_))},
      {"none", torch::empty({0, 3}, torch::TensorOptions(device_))},
      {"double", torch::ones({2}, torch::TensorOptions(torch::kFloat64).device(device_))},
      {"on_cpu", torch::arange(3)}};
  const auto copies = checkpoint::host_copy(tensors);
  ASSERT_EQ(copies.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    SCOPED_TRACE(tensors[i].first);
    const auto expected = tensors[i].second.cpu(), found = copies[i].second;
    EXPECT_EQ(copies[i].first, tensors[i].first);
    EXPECT_EQ(found.scalar_type(), expected.scalar_type());
    EXPECT_TRUE(found.is_cpu() && torch::equal(found, expected));
    const bool keeps_strides = expected.is_non_overlapping_and_dense();
    EXPECT_TRUE(!keeps_strides || found.strides() == expected.strides());
    EXPECT_TRUE(found.numel() == 0 || found.const_data_ptr() != tensors[i].second.const_data_ptr());
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ResumeOn, kAllKinds,
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace ipirm::test

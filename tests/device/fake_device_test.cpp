// The fake device keeps the rules that CUDA has, and counts what it says it counts.
#include "fake_device/fake_device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace ipirm::fake_device {
namespace {

torch::Tensor on_device(torch::IntArrayRef shape) {
  return torch::ones(shape, torch::TensorOptions(kDevice));
}

TEST(FakeDevice, GivesTheMemoryToItsOperatorsAlone) {
  const auto x = on_device({4});
  EXPECT_EQ((x + x).sum().item<float>(), 8);
  const auto* value = x.const_data_ptr<float>();
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(std::printf("%g\n", *value), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST(FakeDevice, RefusesTensorsOfTheCpu) {
  const auto x = on_device({4}), y = torch::ones({4});
  EXPECT_THROW(x + y, c10::Error);
  EXPECT_THROW(torch::cat({x, y}), c10::Error);
  EXPECT_THROW(x.index_select(0, torch::tensor({1})), c10::Error);
  EXPECT_THROW(x.index({torch::tensor({1})}), c10::Error);
  EXPECT_THROW(torch::conv2d(on_device({1, 1, 4, 4}), torch::ones({1, 1, 3, 3})), c10::Error);
  EXPECT_THROW(torch::empty({3}, torch::TensorOptions(kDevice).pinned_memory(true)), c10::Error);
  EXPECT_EQ((x + torch::tensor(2.f)).sum().item<float>(), 12);  // a number of the CPU may take part
}

TEST(FakeDevice, RefusesToLetTheHostReadTooEarly) {
  EXPECT_THROW(on_device({4}).to(torch::kCPU, /*non_blocking=*/true), c10::Error);
}

TEST(FakeDevice, CountsWhatTheHostWaitsFor) {
  const auto x = on_device({4}), y = torch::ones({4});
  const auto waits_of = [](const auto& work) {
    take_counts();
    work();
    return take_counts().waits;
  };
  using Waits = std::map<std::string, int64_t>;
  EXPECT_EQ(waits_of([&] { x.sum().item<float>(); }), (Waits{{"item()", 1}}));
  EXPECT_EQ(waits_of([&] { x.to(torch::kCPU); }), (Waits{{"copy to the host", 1}}));
  EXPECT_EQ(waits_of([&] { y.to(kDevice); }), (Waits{{"blocking copy to the device", 1}}));
  EXPECT_EQ(waits_of([&] { y.to(kDevice, /*non_blocking=*/true); }), (Waits{{kPageable, 1}}));
  EXPECT_EQ(waits_of([&] { y.pin_memory().to(kDevice, /*non_blocking=*/true); }), Waits());
  EXPECT_EQ(waits_of([&] { x.nonzero(); }), (Waits{{"aten::nonzero", 1}}));
  EXPECT_EQ(waits_of([&] { (x + 1).mul_(x).clone(); }), Waits());
}

TEST(FakeDevice, CountsOperatorsAsLaunchesAndViewsAsNone) {
  const auto x = on_device({4, 2});
  take_counts();
  const auto y = x.t().slice(0, 1).view({4}).unsqueeze(0);
  EXPECT_EQ(take_counts().num_launches(), 0);
  std::vector<torch::Tensor> many;
  for (int i = 0; i < 100; ++i) many.push_back(on_device({3}));
  take_counts();
  torch::_foreach_add_(many, 1);
  many[0].mul_(many[99]);
  EXPECT_EQ(Counts::text(take_counts().launches), "aten::_foreach_add_.Scalar 1, aten::mul.out 1");
  EXPECT_EQ(many[0].sum().item<float>(), 12);
}

TEST(FakeDevice, KnowsPinnedMemoryAndItsParts) {
  const auto pinned = torch::empty({4, 4}, torch::TensorOptions().pinned_memory(true));
  EXPECT_TRUE(pinned.is_pinned());
  EXPECT_TRUE(pinned.slice(0, 2).is_pinned());
  EXPECT_FALSE(torch::empty({4, 4}).is_pinned());
}

class FakeStreams : public ::testing::Test {
 protected:
  const c10::impl::VirtualGuardImpl device_{kDevice.type()};
  const c10::Stream main_ = device_.getStream(kDevice);
  const c10::Stream side_ = device_.getStreamFromGlobalPool(kDevice);
};

TEST_F(FakeStreams, MustWaitForEachOther) {
  const auto x = on_device({4});
  c10::Event event(kDevice.type());
  torch::Tensor y;
  {
    const c10::StreamGuard guard(side_);
    EXPECT_THROW(x + 1, c10::Error);  // x may not have been made yet
    event.record(main_);
    event.block(side_);
    y = x + 1;
    x.record_stream(side_);
    event.record(side_);
  }
  EXPECT_THROW(y.sum(), c10::Error);
  event.block(main_);
  EXPECT_EQ(y.sum().item<float>(), 8);
  y.record_stream(main_);
}

TEST_F(FakeStreams, MemoryMustNotGoBeforeItsUsers) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto use_and_drop = [this] {
    const auto x = on_device({4});
    c10::Event event(kDevice.type());
    event.record(main_);
    event.block(side_);
    const c10::StreamGuard guard(side_);
    x.add(1);
  };
  EXPECT_DEATH(use_and_drop(), "without record_stream");
}

TEST(FakeDevice, MemoryRunsOut) {
  auto* const memory = c10::getDeviceAllocator(kDevice.type());
  const auto used = memory->getDeviceStats(0).allocated_bytes[0].current;
  set_memory(static_cast<uint64_t>(used) + (1 << 20));
  EXPECT_THROW(on_device({1 << 20}), c10::OutOfMemoryError);
  const auto fits = on_device({1 << 17});
  set_memory(INT64_MAX);
  EXPECT_GE(memory->getDeviceStats(0).allocated_bytes[0].current, used + (1 << 19));
}

// Batch normalisation writes beside its result.
TEST(FakeDevice, KeepsRunningStatistics) {
  torch::nn::BatchNorm2d plain(3), there(3);
  there->to(kDevice);
  torch::manual_seed(1);
  const auto x = torch::randn({4, 3, 5, 5});
  const auto y = plain->forward(x), z = there->forward(x.to(kDevice));
  EXPECT_TRUE(torch::equal(y, z.cpu()));
  EXPECT_TRUE(torch::equal(plain->running_mean, there->running_mean.cpu()));
  EXPECT_TRUE(torch::equal(plain->running_var, there->running_var.cpu()));
}

}  // namespace
}  // namespace ipirm::fake_device

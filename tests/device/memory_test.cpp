// A device whose memory runs out: what the run says, what it keeps, and that what it says is right.
#include <c10/core/CachingDeviceAllocator.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "device/devices.h"
#include "train/memory_estimate.h"

namespace ipirm::test {
namespace {

using train::ExistingRun;
using train::SmallRun;

class Messages : public train::Observer {
 public:
  void message(const std::string& text) override { all += text; }
  std::string all;
};

class OutOfMemory : public train::RunTest {
 protected:
  void TearDown() override {
    fake_device::set_memory(INT64_MAX);
    RunTest::TearDown();
  }
  static uint64_t peak() {
    return static_cast<uint64_t>(memory()->getDeviceStats(0).allocated_bytes[0].peak);
  }
  static c10::DeviceAllocator* memory() {
    return c10::getDeviceAllocator(fake_device::kDevice.type());
  }
  // Trains on 96 images for two epochs; what it has said.
  std::string train(const std::string& name, int64_t batch_size) {
    SmallRun run(root_ / name, ExistingRun::kRefuse, fake_device::kDevice);
    run.views.set = std::make_shared<train::RandomImages>(96);
    run.views.augment.crop_size = 16;  // most memory is then the activations
    run.sets.test.reset();
    run.state->source = "random";
    run.options.batch_size = batch_size;
    run.options.epochs = 2;
    run.options.save_every = 1;
    const auto messages = std::make_shared<Messages>();
    run.more_observers.push_back(messages);
    memory()->resetPeakStats(0);
    try {
      EXPECT_TRUE(run.trainer().run());
    } catch (const c10::OutOfMemoryError&) {
      messages->all += " [out of memory]";
    }
    return messages->all;
  }
};

TEST_F(OutOfMemory, NamesABatchThatFits) {
  EXPECT_EQ(train("whole", 96), "");
  fake_device::set_memory(peak() * 7 / 10);
  const auto said = train("limited", 96);
  EXPECT_NE(said.find("[out of memory]"), std::string::npos);
  const auto place = said.find("--batch_size ");
  ASSERT_NE(place, std::string::npos) << said;
  const int64_t fits = std::stoll(said.substr(place + std::string("--batch_size ").size()));
  EXPECT_GE(fits, 40);
  EXPECT_LE(fits, 72);
  EXPECT_EQ(train("fitting", fits), "");
}

TEST_F(OutOfMemory, PromisesNothingWhereSmallBatchesDoNotFit) {
  const auto step_of = [](int64_t bytes_an_image) {
    return [bytes_an_image](int64_t batch_size) {
      torch::empty({bytes_an_image * batch_size},
                   torch::TensorOptions(fake_device::kDevice).dtype(torch::kUInt8));
    };
  };
  const auto used = static_cast<uint64_t>(memory()->getDeviceStats(0).allocated_bytes[0].current);
  fake_device::set_memory(used + (100 << 20));
  const auto fits = train::batch_that_fits(fake_device::kDevice, step_of(1 << 20));
  EXPECT_EQ(
      fits,
      (static_cast<int64_t>(.95 * (100 << 20) - .05 * static_cast<double>(used)) >> 20) / 8 * 8);
  EXPECT_FALSE(train::batch_that_fits(fake_device::kDevice, step_of(8 << 20)));
  EXPECT_FALSE(train::batch_that_fits(torch::kCPU, step_of(1)));
}

TEST_F(OutOfMemory, TheStateBeforeIsKept) {
  {
    SmallRun run(root_ / "kept", ExistingRun::kRefuse, fake_device::kDevice);
    run.options.epochs = run.options.save_every = 1;
    ASSERT_TRUE(run.trainer().run());
    run.options.epochs = 2;
    memory()->resetPeakStats(0);
    fake_device::set_memory(peak() + (1 << 18));
    EXPECT_THROW(run.trainer().run(), c10::OutOfMemoryError);
    fake_device::set_memory(INT64_MAX);
  }
  SmallRun again(root_ / "kept", ExistingRun::kResume, fake_device::kDevice);
  again.options.epochs = 2;
  ASSERT_TRUE(again.resume());
  EXPECT_EQ(again.state->position.epoch, 2);
  EXPECT_TRUE(again.trainer().run());
}

}  // namespace
}  // namespace ipirm::test

// Makes the device known to PyTorch: its name, its streams, its memory, its generator.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "fake_device/fake_device.h"
#include "fake_device/memory.h"
#include "fake_device/streams.h"

namespace ipirm::fake_device {
namespace {

c10::Stream as_stream(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kDevice, id); }

// One device with two streams.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = c10::DeviceType::PrivateUse1;
  Guard() = default;
  explicit Guard(c10::DeviceType) {}
  c10::DeviceType type() const override { return static_type; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return {static_type, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return as_stream(current_stream()); }
  c10::Stream getDefaultStream(c10::Device) const override { return as_stream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override {
    return as_stream(kSideStream);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return as_stream(set_current_stream(stream.id()));
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** event, const c10::Stream& stream, c10::DeviceIndex,
              c10::EventFlag) const override {
    if (*event == nullptr) *event = new Clock;
    *static_cast<Clock*>(*event) = fake_device::record(stream.id());
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event != nullptr) wait_for(stream.id(), *static_cast<Clock*>(event));
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Clock*>(event);
  }
  bool queryEvent(void*) const override { return true; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const auto generator = at::make_generator<at::CPUGeneratorImpl>();
    return generator;
  }
  bool isPinnedPtr(const void* address) const override { return is_pinned(address); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    TORCH_CHECK(storage.nbytes() == 0, "a tensor that holds something may not be resized");
    storage.set_data_ptr_noswap(device_allocator()->allocate(bytes));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

// Before main(), as a backend in a library of its own would be.
[[maybe_unused]] const bool registered = [] {
  c10::register_privateuse1_backend("fake");
  c10::SetAllocator(c10::DeviceType::PrivateUse1, device_allocator());
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  at::setHostAllocator(c10::DeviceType::PrivateUse1, pinned_allocator());
  return true;
}();

}  // namespace
}  // namespace ipirm::fake_device

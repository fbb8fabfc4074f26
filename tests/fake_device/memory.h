// The device's memory, which faults when the host touches it, and the page-locked memory beside it.
#pragma once

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <cstdint>

namespace ipirm::fake_device {

// Gives memory of the device: pages of its own for each block, closed to the process.
c10::DeviceAllocator* device_allocator();
// Gives the host's page-locked memory: ordinary memory that is remembered.
at::HostAllocator* pinned_allocator();
// Whether an address lies in memory of pinned_allocator().
bool is_pinned(const void* address);

// Opens a tensor's memory for as long as it lives; several may open the same. Does nothing for a
// tensor of the CPU or an undefined one.
class Unlock {
 public:
  explicit Unlock(const at::Tensor& tensor);
  ~Unlock();
  Unlock(const Unlock&) = delete;
  Unlock& operator=(const Unlock&) = delete;

 private:
  uintptr_t base_ = 0;  // of the block; 0: nothing to close
};

// Opens all of the device's memory for as long as it lives: for a kernel, which is given addresses.
// Which stream may use what is not checked.
class UnlockAll {
 public:
  UnlockAll();
  ~UnlockAll();
  UnlockAll(const UnlockAll&) = delete;
  UnlockAll& operator=(const UnlockAll&) = delete;
};

// The same memory as a tensor of the CPU; for use while it is unlocked.
at::Tensor as_cpu(const at::Tensor& tensor);

}  // namespace ipirm::fake_device

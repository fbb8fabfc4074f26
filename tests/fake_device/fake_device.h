// An accelerator that is none: a PyTorch backend on protected host memory, as strict as CUDA, that
// counts what would be launched there and what would make the host wait. Linking it is enough.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace ipirm::fake_device {

// The one device, "fake:0". Its rules:
// - The host's access to its memory outside of an operator is a segmentation fault.
// - Operators refuse tensors of the CPU beside its own (c10::Error), but for numbers (0
// dimensions).
// - A copy to the host that is asked not to block is refused: the host would read too early.
// - What CUDA does asynchronously is done at once. But memory that one stream works with may be
//   used by another only after it waited for an event (c10::Error), and must be recorded for it
//   before it goes (the process is aborted).
inline const c10::Device kDevice(c10::DeviceType::PrivateUse1, 0);

// What a copy from the host's pageable memory that was asked not to block counts as, among the
// waits: CUDA stages it, and may block.
inline constexpr const char* kPageable = "asked not to block, but the memory is pageable";

struct Counts {
  // What made the host wait for the device, and how often: copies to the host, blocking copies
  // from it, item(), operators whose result's size depends on values, kPageable.
  std::map<std::string, int64_t> waits;
  // Operators and copies that a GPU would be given to do, by name; views are none.
  std::map<std::string, int64_t> launches;

  int64_t num_waits() const { return sum(waits); }
  int64_t num_launches() const { return sum(launches); }
  // "item() 2, aten::nonzero 1"; "none".
  static std::string text(const std::map<std::string, int64_t>& counts);

 private:
  static int64_t sum(const std::map<std::string, int64_t>& counts);
};

// What was counted since the last call, by all threads.
Counts take_counts();

// How many bytes the device has; more is refused by c10::OutOfMemoryError. Without a limit at
// first.
void set_memory(uint64_t bytes);

// While on, each wait prints the stack that led to it on standard error: to find out who waits.
void print_stacks(bool on);

}  // namespace ipirm::fake_device

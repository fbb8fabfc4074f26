// What tensors hold on a device, as PyTorch's allocator for it counts.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <torch/types.h>

#include <optional>

namespace ipirm::core {

struct HeldBytes {
  double now = 0, peak = 0;  // bytes; peak: since the program began, or since forget_peak()
};

// Null on the CPU, and where the device's allocator does not count.
inline c10::DeviceAllocator* counting_allocator(torch::Device device) {
  if (device.is_cpu()) return nullptr;
  return dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
}

// Nothing where there is no such allocator.
inline std::optional<HeldBytes> held_bytes(torch::Device device) {
  auto* const memory = counting_allocator(device);
  if (memory == nullptr) return std::nullopt;
  const auto stats = memory->getDeviceStats(device.index());
  const auto& all =
      stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  return HeldBytes{static_cast<double>(all.current), static_cast<double>(all.peak)};
}

inline void forget_peak(torch::Device device) {
  if (auto* const memory = counting_allocator(device)) memory->resetPeakStats(device.index());
}

}  // namespace ipirm::core

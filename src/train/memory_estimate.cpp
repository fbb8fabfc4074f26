// Draws a line through two peaks.
#include "train/memory_estimate.h"

#include <c10/core/CachingDeviceAllocator.h>

namespace ipirm::train {
namespace {

constexpr double kUsable = .95;  // of the memory: blocks of other sizes leave gaps

double bytes_of(const c10::CachingAllocator::StatArray& stats, bool peak) {
  const auto& all = stats[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  return static_cast<double>(peak ? all.peak : all.current);
}

}  // namespace

std::optional<int64_t> batch_that_fits(torch::Device device,
                                       const std::function<void(int64_t)>& step) {
  auto* const memory = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  if (memory == nullptr) return std::nullopt;
  try {
    const auto peak_of = [&](int64_t batch_size) {
      // cuDNN tries its algorithms at the first step of a size, with memory of which the later ones
      // need nothing.
      step(batch_size);
      memory->emptyCache();
      memory->resetPeakStats(device.index());
      step(batch_size);
      return bytes_of(memory->getDeviceStats(device.index()).allocated_bytes, /*peak=*/true);
    };
    constexpr int64_t kFirst = 16, kSecond = 32;
    const double first = peak_of(kFirst), second = peak_of(kSecond);
    const double per_image = (second - first) / (kSecond - kFirst);
    const double fixed = first - kFirst * per_image;
    const double free = static_cast<double>(memory->getMemoryInfo(device.index()).first);
    const double reserved =
        bytes_of(memory->getDeviceStats(device.index()).reserved_bytes, /*peak=*/false);
    const double fits = (kUsable * (free + reserved) - fixed) / per_image;
    if (!(per_image > 0) || fits < 8) return std::nullopt;
    return static_cast<int64_t>(fits) / 8 * 8;
  } catch (const c10::Error&) {  // no room for these either, or no count of it
    return std::nullopt;
  }
}

}  // namespace ipirm::train

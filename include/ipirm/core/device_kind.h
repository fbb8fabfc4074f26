// Where a program is asked to compute.
#pragma once

#include "ipirm/core/names.h"

namespace ipirm::core {

enum class DeviceKind {
  kAuto,  // CUDA where there is a GPU, otherwise the CPU
  kCpu,
  kCuda
};

template <>
struct NamesOf<DeviceKind> {
  static constexpr Named<DeviceKind> kNames[] = {
      {DeviceKind::kAuto, "auto"}, {DeviceKind::kCpu, "cpu"}, {DeviceKind::kCuda, "cuda"}};
};

}  // namespace ipirm::core

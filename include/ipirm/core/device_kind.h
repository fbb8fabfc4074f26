// Where a program is asked to compute.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

struct DeviceChoice {
  DeviceKind kind = DeviceKind::kAuto;
  // Which GPU, from 0; of kCuda alone. CUDA_VISIBLE_DEVICES decides what they are.
  int index = 0;
  bool operator==(const DeviceChoice&) const = default;
};

// The forms of a choice, for messages.
inline std::vector<std::string> device_forms() { return {"auto", "cpu", "cuda", "cuda:N"}; }

// What such a form means ("cuda" is "cuda:0"); nothing for other text.
inline std::optional<DeviceChoice> parse_device(std::string_view text) {
  constexpr int kMostGpus = 64;  // that PyTorch can number
  const auto colon = text.find(':');
  const auto kind = find_kind<DeviceKind>(std::string(text.substr(0, colon)));
  if (!kind) return std::nullopt;
  if (colon == std::string_view::npos) return DeviceChoice{*kind};
  const auto digits = text.substr(colon + 1);
  int index = -1;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const bool is_number = failure == std::errc() && end == digits.data() + digits.size();
  if (*kind != DeviceKind::kCuda || !is_number || index < 0 || index >= kMostGpus)
    return std::nullopt;
  return DeviceChoice{*kind, index};
}

// What parse_device() reads back.
inline std::string device_text(const DeviceChoice& choice) {
  const auto name = name_of(choice.kind);
  return choice.index == 0 ? name : name + ":" + std::to_string(choice.index);
}

}  // namespace ipirm::core

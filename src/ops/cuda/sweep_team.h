// Those who sweep the same pairs together, as the launches see them: each takes some of the tiles,
// and what the views receive is added up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace ipirm::ops::cuda {

struct SweepTeam {
  // Which of `count` tiles are swept here: first..second-1.
  std::function<std::pair<int64_t, int64_t>(int64_t count)> own;
  // Both are enqueued, as a kernel is: `count` values on the device become 0; they become their
  // sums over the members.
  std::function<void(double*values, size_t count)> clear, sum;
};

}  // namespace ipirm::ops::cuda

// How many rows the ATen forms take at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ipirm::ops::reference {

// On the CPU a block stays in the cache unless it would be too thin for fast matrix products; on a
// GPU it is large enough to fill it.
inline constexpr int64_t kCpuBlockBytes = int64_t{2} << 20;
inline constexpr int64_t kCpuThickRows = 64;

// Rows of a block, 1..most, of row_bytes each over all buffers; at most most_bytes together where
// that is a row.
inline int64_t rows_of_block(int64_t row_bytes, int64_t most_bytes, bool on_cpu, int64_t most) {
  int64_t rows = most_bytes / row_bytes;
  if (on_cpu) rows = std::min(rows, std::max(kCpuBlockBytes / row_bytes, kCpuThickRows));
  return std::clamp<int64_t>(rows, 1, most);
}

}  // namespace ipirm::ops::reference

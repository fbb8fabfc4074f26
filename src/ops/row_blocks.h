// How many rows the ATen forms take at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ipirm/ops/team.h"

namespace ipirm::ops::aten {

// How large a block of rows may be; whoever registers an ATen form for a device chooses it.
struct BlockLimits {
  // What a block's buffers should take at most.
  int64_t bytes;
  // Below so many rows a block grows beyond `bytes`, because thin matrix products are slow ...
  int64_t thick_rows;
  // ... and these bytes are never exceeded, unless by a block of one row.
  int64_t most_bytes;
};

// On the CPU a block stays in the cache.
inline constexpr BlockLimits kCacheBlocks{int64_t{2} << 20, 64, int64_t{64} << 20};
// An accelerator is filled by as much as the operators' headers allow.
inline constexpr BlockLimits kDeviceBlocks{int64_t{64} << 20, 1, int64_t{64} << 20};

// Rows of a block, 1..num_rows, where each row takes row_bytes over all of the block's buffers.
inline int64_t rows_of_block(int64_t row_bytes, const BlockLimits& limits, int64_t num_rows) {
  const int64_t rows = std::min(std::max(limits.bytes / row_bytes, limits.thick_rows),
                                limits.most_bytes / row_bytes);
  return std::clamp<int64_t>(rows, 1, num_rows);
}

// Which of num_rows rows are computed here; all without a team.
inline Team::Range own_rows(const Team* team, int64_t num_rows) {
  return team != nullptr ? team->own(num_rows) : Team::Range{0, num_rows};
}

}  // namespace ipirm::ops::aten

// Where the views of a batch stand in the arrays of the pair kernels, and which tiles of pairs one
// launch works through.
//
// The samples' first views come first, then their second ones, each kind padded to whole blocks of
// kTile views, so that no block holds views of both kinds: in a tile of two blocks the samples are
// either all different, or the same ones in the same order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cuda/device_code.cuh"

namespace ipirm::ops::cuda {

// Views in a block; a tile is a block of rows against a block of columns.
inline constexpr int kTile = 128;
// Threads of a tile: 8 warps, 4 beside each other in the rows and 2 in the columns.
inline constexpr int kTileThreads = 256;
// Features that are multiplied at once; a view's features are padded to a multiple.
inline constexpr int kChunk = 32;
// Vectors of 16 bytes in a view's chunk: 4 of high parts in float16, then 4 of low ones.
inline constexpr int kChunkVectors = 8;
// Environments that a tile sums at once; their sums stay in registers.
inline constexpr int kMostColumns = 4;

struct PairLayout {
  int n;            // samples, at least 2
  int view_blocks;  // blocks of views of each kind
  int chunks;       // chunks of a view's features

  __host__ __device__ int view_stride() const { return view_blocks * kTile; }
  __host__ __device__ int padded() const { return 2 * view_stride(); }
  __host__ __device__ int blocks() const { return 2 * view_blocks; }
  // Samples of a block: its views from this number on are padding.
  __host__ __device__ int samples_of(int block) const {
    const int begin = block % view_blocks * kTile;
    return n - begin < kTile ? n - begin : kTile;
  }
};

inline PairLayout pair_layout(int64_t n, int64_t dim) {
  return {static_cast<int>(n), static_cast<int>((n + kTile - 1) / kTile),
          static_cast<int>((dim + kChunk - 1) / kChunk)};
}

// Columns of weights, in groups of equal size that are summed together: K environments, then
// columns of zeros up to count().
struct ColumnGroups {
  int groups, size;
  __host__ __device__ int count() const { return groups * size; }
};

inline ColumnGroups column_groups(int64_t k) {
  const int groups = static_cast<int>((k + kMostColumns - 1) / kMostColumns);
  return {groups, static_cast<int>((k + groups - 1) / groups)};
}

// Whose sums a sweep computes.
enum class Receivers {
  kAll,      // all views, from all: half of the tiles, since E is symmetric
  kRows,     // first views, from second ones (MixUp's rows)
  kColumns,  // second views, from first ones (MixUp's columns)
};

// The tiles of row blocks first_row .. end_row - 1, and the places for what they give: a slot holds
// the sums of one block's views over the views of another. A sweep over many blocks goes strip by
// strip, so that the slots take bounded memory.
struct Strip {
  Receivers receivers;
  int view_blocks;
  int first_row, end_row;

  __host__ __device__ int rows() const { return end_row - first_row; }
  // Columns of the first row; each following row of a symmetric strip has one less.
  __host__ __device__ int columns() const {
    return receivers == Receivers::kAll ? 2 * view_blocks - first_row : view_blocks;
  }
  __host__ __device__ int tiles() const {
    const int all = rows() * columns();
    return receivers == Receivers::kAll ? all - rows() * (rows() - 1) / 2 : all;
  }
  __host__ __device__ int tiles_before(int row) const {
    return receivers == Receivers::kAll ? row * columns() - row * (row - 1) / 2 : row * columns();
  }

  struct Tile {
    int row, column;  // blocks
  };
  __host__ __device__ Tile tile(int number) const {
    if (receivers != Receivers::kAll) {
      return {first_row + number / columns(), view_blocks + number % columns()};
    }
    const float width = 2.f * static_cast<float>(columns()) + 1;
    const float root = width * width - 8.f * static_cast<float>(number);
    int row = static_cast<int>((width - sqrtf(root > 0 ? root : 0)) / 2);
    while (row > 0 && tiles_before(row) > number) --row;  // the root may be rounded
    while (row + 1 < rows() && tiles_before(row + 1) <= number) ++row;
    return {first_row + row, first_row + row + number - tiles_before(row)};
  }

  // Tiles whose two blocks have the same samples, in a strip of Receivers::kAll: each row block
  // with itself, then those of first views with the second views of their samples.
  __host__ __device__ int same_tiles() const {
    const int end_first = end_row < view_blocks ? end_row : view_blocks;
    return rows() + (end_first > first_row ? end_first - first_row : 0);
  }
  __host__ __device__ Tile same_tile(int number) const {
    if (number < rows()) return {first_row + number, first_row + number};
    const int row = first_row + number - rows();
    return {row, row + view_blocks};
  }

  // The blocks that receive: first_receiver() and those after it.
  __host__ __device__ int first_receiver() const {
    return receivers == Receivers::kColumns ? view_blocks : first_row;
  }
  __host__ __device__ int num_receivers() const {
    return receivers == Receivers::kRows ? rows() : columns();
  }
  // The slots of a receiving block: one for each of `count` partner blocks from first_partner on.
  struct Partners {
    int first_slot, first_partner, count;
  };
  __host__ __device__ Partners partners(int block) const {
    const int receiver = block - first_receiver();
    switch (receivers) {
      case Receivers::kRows:
        return {receiver * columns(), view_blocks, columns()};
      case Receivers::kColumns:
        return {receiver * rows(), first_row, rows()};
      default:
        break;
    }
    if (receiver < rows()) return {receiver * columns(), first_row, columns()};
    return {rows() * columns() + (receiver - rows()) * rows(), first_row, rows()};
  }
  __host__ __device__ int slot(int block, int partner) const {
    const Partners all = partners(block);
    return all.first_slot + partner - all.first_partner;
  }

  // Besides, each block has two slots for partners of the same samples (one of each kind of view):
  // what comes from earlier samples, where it is told apart from what comes from later ones.
  __host__ __device__ int main_slots() const {
    if (receivers != Receivers::kAll) return rows() * columns();
    return rows() * columns() + (columns() - rows()) * rows();
  }
  __host__ __device__ int earlier_slot(int block, int partner) const {
    return main_slots() + 2 * block + partner / view_blocks;
  }
  __host__ __device__ int slots() const { return main_slots() + 4 * view_blocks; }
};

// How many row blocks a strip may have for its slots, of `columns` columns each, to take at most
// most_bytes; at least 1. No strip has more slots than the widest one, which is the first.
inline int strip_height(const PairLayout& layout, Receivers receivers, int columns,
                        size_t most_bytes) {
  const int row_blocks = receivers == Receivers::kAll ? layout.blocks() : layout.view_blocks;
  const auto bytes = [&](int rows) {
    const Strip strip{receivers, layout.view_blocks, 0, rows};
    return static_cast<size_t>(strip.slots()) * columns * kTile * sizeof(float);
  };
  int height = row_blocks;
  while (height > 1 && bytes(height) > most_bytes) height = (height + 1) / 2;
  return height;
}

}  // namespace ipirm::ops::cuda

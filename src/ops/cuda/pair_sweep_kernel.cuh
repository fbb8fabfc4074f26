// One tile's share of the sums over pairs of views, and the largest inner product of each view.
//
// Letters: i receiving view, j giving view, S_ij = z_i·z_j, E_ij = exp(S_ij/T - m) where i and j
// are views of different samples and 0 elsewhere, H = E∘S. A tile's rows and columns both receive.
#pragma once

#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/tile_products.cuh"

namespace ipirm::ops::cuda {

// Which pairs of a tile count, by their places in its two blocks.
enum class Pairs {
  kAll,           // blocks of different samples
  kOthers,        // the same samples: pairs of two different ones
  kColumnBefore,  // the same samples: pairs whose column is earlier ...
  kColumnAfter,   // ... and whose column is later
};
__device__ inline bool counts(Pairs pairs, int row, int column) {
  switch (pairs) {
    case Pairs::kOthers:
      return row != column;
    case Pairs::kColumnBefore:
      return column < row;
    case Pairs::kColumnAfter:
      return column > row;
    default:
      return true;
  }
}

struct SweepTask {
  PairLayout layout;
  Strip strip;
  const uint4* operands;  // the views in high and low parts (split_views.cuh)
  const float* largest;   // (padded) max_j S_ij, read where exponents are relative
  const double* bound;    // the largest |z|²
  double inverse_temperature;
  bool times_similarity;   // H instead of E
  bool shift_by_receiver;  // m is that of the receiving view, otherwise of the giving one
  // (groups * size, padded) what a view gives to receivers of later samples, and of earlier ones;
  // the same array where it makes no difference.
  const float *to_later, *to_earlier;
  bool split;    // sums over earlier and over later samples are kept apart
  float* parts;  // (groups, slots, size, kTile)

  __host__ __device__ bool by_position() const { return split || to_later != to_earlier; }
};

// What a thread needs to add up a tile.
struct TileSums {
  float scale;  // log2(e)/T
  Pairs pairs;
  bool shift_by_receiver, columns_receive;
  // In shared memory, (K, kTile): what rows and columns give; (kTile): their largest S.
  const float *row_gives, *column_gives, *row_largest, *column_largest;
  // In shared memory, (2, K, kTile) and (4, K, kTile): sums of the warps beside each other.
  float *row_sums, *column_sums;
};

// E_ij, and E_ji, at exponents that cannot be above 0, unless the pair does not count.
template <bool kRelative>
__device__ __forceinline__ void exponentials(float s, float receiver_shift, float giver_shift,
                                             float scale, float& to_row, float& to_column) {
  if (kRelative) {
    to_row = exp2_fast(fminf((s - receiver_shift) * scale, 0.f));
    to_column = exp2_fast(fminf((s - giver_shift) * scale, 0.f));
  } else {
    to_row = to_column = exp2_fast(s * scale);
  }
}

// Sums over the 8 rows of a warp's fragment, of which each thread has one: lanes 0..3 and 16..19
// end with those of their even and of their odd column.
__device__ __forceinline__ float sum_of_rows(float even, float odd, int lane) {
  const bool upper = lane >= 16;
  float sum = (upper ? odd : even) + __shfl_xor_sync(0xffffffffu, upper ? even : odd, 16);
  sum += __shfl_xor_sync(0xffffffffu, sum, 8);
  return sum + __shfl_xor_sync(0xffffffffu, sum, 4);
}

template <int K, bool kTimesSimilarity, bool kRelative>
__device__ __forceinline__ void add_up(const float (&s)[2][8][4], const ThreadPlace& place,
                                       const TileSums& tile) {
  float of_row[2][2][K] = {};
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const int column = place.column + 8 * j;
    float of_column[2][K] = {};
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int q = 0; q < 2; ++q) {
          const int r = place.row + 16 * i + 8 * half, c = column + q;
          const float similarity = s[i][j][2 * half + q];
          float row_shift = 0, column_shift = 0;
          if (kRelative) {
            row_shift = tile.shift_by_receiver ? tile.row_largest[r] : tile.column_largest[c];
            column_shift = tile.shift_by_receiver ? tile.column_largest[c] : tile.row_largest[r];
          }
          float to_row, to_column;
          exponentials<kRelative>(similarity, row_shift, column_shift, tile.scale, to_row,
                                  to_column);
          if (tile.pairs != Pairs::kAll && !counts(tile.pairs, r, c)) to_row = to_column = 0;
          if (kTimesSimilarity) {
            to_row *= similarity;
            to_column *= similarity;
          }
#pragma unroll
          for (int k = 0; k < K; ++k) {
            of_row[i][half][k] += to_row * tile.column_gives[k * kTile + c];
            of_column[q][k] += to_column * tile.row_gives[k * kTile + r];
          }
        }
    if (!tile.columns_receive) continue;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const float sum = sum_of_rows(of_column[0][k], of_column[1][k], place.lane);
      if (place.lane % 16 < 4) {
        const int to = place.warp_row * K + k;
        tile.column_sums[to * kTile + column + place.lane / 16] = sum;
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int k = 0; k < K; ++k) {
        float sum = of_row[i][half][k];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        if (place.lane % 4 == 0) {
          const int to = place.warp_column * K + k;
          tile.row_sums[to * kTile + place.row + 16 * i + 8 * half] = sum;
        }
      }
}

// Shared memory of sweep_tile: the stages, which the sums take over, and what the tile is given.
template <int K>
constexpr size_t sweep_shared_bytes() {
  return kStagesBytes + sizeof(float) * kTile * (2 * K + 2);
}

// What the tile's views give, into shared memory.
template <int K>
__device__ inline void load_gifts(const SweepTask& task, int row, int column, int group,
                                  bool column_before, float* row_gives, float* column_gives) {
  // Columns that come before rows have later receivers, the rows earlier ones.
  const float* of_rows = column_before ? task.to_earlier : task.to_later;
  const float* of_columns = column_before ? task.to_later : task.to_earlier;
  for (int c = static_cast<int>(threadIdx.x); c < K * kTile; c += kTileThreads) {
    const size_t from = static_cast<size_t>(group * K + c / kTile) * task.layout.padded();
    row_gives[c] = of_rows[from + row + c % kTile];
    column_gives[c] = of_columns[from + column + c % kTile];
  }
}

// The warps' sums into the slots of the tile's two blocks.
template <int K>
__device__ inline void store_sums(const SweepTask& task, const TileSums& tile, Strip::Tile blocks,
                                  int group, bool rows_receive) {
  const Strip& strip = task.strip;
  const auto part = [&](int slot) {
    return task.parts + (static_cast<size_t>(group) * strip.slots() + slot) * K * kTile;
  };
  // Of pairs of the same samples: those that receive from earlier ones.
  const bool rows_extra = tile.pairs == Pairs::kColumnBefore;
  const bool columns_extra = tile.pairs == Pairs::kColumnAfter;
  float* const to_rows = part(rows_extra ? strip.earlier_slot(blocks.row, blocks.column)
                                         : strip.slot(blocks.row, blocks.column));
  float* const to_columns = part(columns_extra ? strip.earlier_slot(blocks.column, blocks.row)
                                               : strip.slot(blocks.column, blocks.row));
  const int width = K * kTile;
  for (int c = static_cast<int>(threadIdx.x); c < width; c += kTileThreads) {
    const float* rows = tile.row_sums + c;
    if (rows_receive) to_rows[c] = rows[0] + rows[width];
    const float* columns = tile.column_sums + c;
    if (tile.columns_receive) {
      to_columns[c] = (columns[0] + columns[width]) + (columns[2 * width] + columns[3 * width]);
    }
  }
}

// Grid: the strip's tiles, and where the task goes by position those of the same samples again;
// groups of columns. Each slot that the strip's receivers have is written once (the slots of
// earlier samples where the task goes by position).
template <int K, bool kTimesSimilarity>
__global__ void __launch_bounds__(kTileThreads, 2) sweep_tile(SweepTask task) {
  unsigned char* const shared = dynamic_shared<unsigned char>();
  uint4* const stages = reinterpret_cast<uint4*>(shared);
  float* const row_gives = reinterpret_cast<float*>(shared + kStagesBytes);
  float* const column_gives = row_gives + K * kTile;
  float* const row_largest = column_gives + K * kTile;
  float* const column_largest = row_largest + kTile;
  const int number = static_cast<int>(blockIdx.x), group = static_cast<int>(blockIdx.y);
  const bool again = number >= task.strip.tiles();
  const Strip::Tile blocks =
      again ? task.strip.same_tile(number - task.strip.tiles()) : task.strip.tile(number);
  const int row = blocks.row * kTile, column = blocks.column * kTile;
  const int row_samples = blocks.row % task.layout.view_blocks;
  const int column_samples = blocks.column % task.layout.view_blocks;
  const bool relative = !exponents_are_safe(*task.bound, task.inverse_temperature);
  const Receivers receivers = task.strip.receivers;

  TileSums tile;
  tile.pairs = Pairs::kAll;
  if (row_samples == column_samples) {
    tile.pairs = !task.by_position() ? Pairs::kOthers
                 : again             ? Pairs::kColumnAfter
                                     : Pairs::kColumnBefore;
  }
  const bool column_before = row_samples == column_samples ? !again : column_samples < row_samples;
  load_gifts<K>(task, row, column, group, column_before, row_gives, column_gives);
  if (relative && threadIdx.x < kTile) {
    row_largest[threadIdx.x] = task.largest[row + threadIdx.x];
    column_largest[threadIdx.x] = task.largest[column + threadIdx.x];
  }
  const ThreadPlace place = thread_place();
  float s[2][8][4];
  tile_products(stages, task.operands, task.layout.chunks, row, column, product_scale(*task.bound),
                place, s);

  tile.scale = static_cast<float>(task.inverse_temperature * 1.4426950408889634);
  tile.shift_by_receiver = task.shift_by_receiver;
  // A block with itself holds each pair twice: its rows receive all.
  tile.columns_receive = receivers != Receivers::kRows && blocks.row != blocks.column;
  tile.row_gives = row_gives;
  tile.column_gives = column_gives;
  tile.row_largest = row_largest;
  tile.column_largest = column_largest;
  tile.row_sums = reinterpret_cast<float*>(shared);
  tile.column_sums = tile.row_sums + 2 * K * kTile;
  if (relative) {
    add_up<K, kTimesSimilarity, true>(s, place, tile);
  } else {
    add_up<K, kTimesSimilarity, false>(s, place, tile);
  }
  __syncthreads();
  store_sums<K>(task, tile, blocks, group, receivers != Receivers::kColumns);
}

}  // namespace ipirm::ops::cuda

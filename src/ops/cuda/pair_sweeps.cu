// Launches of the sweeps over all pairs of views.
#include "ops/cuda/pair_sweeps.cuh"

#include "ops/cuda/largest_kernel.cuh"
#include "ops/cuda/reduce_parts.cuh"
#include "ops/cuda/split_views.cuh"

namespace ipirm::ops::cuda {
namespace {

struct Rows {
  int first, end;
};

Rows all_rows(const PairLayout& layout, Receivers receivers) {
  return {0, receivers == Receivers::kAll ? layout.blocks() : layout.view_blocks};
}

// The rows of tiles that are swept here: of a team's members each takes those whose first tile is
// among its own.
Rows own_rows(const PairViews& views, Receivers receivers) {
  const Rows all = all_rows(views.layout, receivers);
  if (views.team == nullptr) return all;
  const Strip whole{receivers, views.layout.view_blocks, all.first, all.end};
  const auto row_from = [&](int64_t tile) {
    int row = 0;
    while (row < all.end && whole.tiles_before(row) < tile) ++row;
    return row;
  };
  const auto [first, end] = views.team->own(whole.tiles());
  return {row_from(first), row_from(end)};
}

// Calls visit(strip, whether it is the first for its receivers) on the strips of some rows; the
// first error ends it.
template <class Visit>
int for_each_strip(const PairViews& views, Receivers receivers, const Rows& rows, int columns,
                   Visit visit) {
  const PairLayout& layout = views.layout;
  const int height = strip_height(layout, receivers, columns, views.most_parts_bytes);
  int error = 0;
  for (int row = rows.first; row < rows.end && error == 0; row += height) {
    const int end = row + height < rows.end ? row + height : rows.end;
    error = visit(Strip{receivers, layout.view_blocks, row, end},
                  row == rows.first || receivers == Receivers::kRows);
  }
  return error;
}

template <int K>
int launch_tiles(const SweepTask& task, int groups, cudaStream_t stream) {
  const int tiles = task.strip.tiles() + (task.by_position() ? task.strip.same_tiles() : 0);
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(groups));
  const auto kernel = task.times_similarity ? sweep_tile<K, true> : sweep_tile<K, false>;
  return launch(kernel, grid, dim3(kTileThreads), sweep_shared_bytes<K>(), stream, task);
}

int launch_tiles(const SweepTask& task, const ColumnGroups& columns, cudaStream_t stream) {
  switch (columns.size) {
    case 1:
      return launch_tiles<1>(task, columns.groups, stream);
    case 2:
      return launch_tiles<2>(task, columns.groups, stream);
    case 3:
      return launch_tiles<3>(task, columns.groups, stream);
    default:
      return launch_tiles<kMostColumns>(task, columns.groups, stream);
  }
}

}  // namespace

size_t parts_bytes(const PairLayout& layout, const ColumnGroups& columns, Receivers receivers,
                   size_t most_bytes) {
  const auto bytes = [&](int count) {
    const int height = strip_height(layout, receivers, count, most_bytes);
    const Strip widest{receivers, layout.view_blocks, 0, height};
    return static_cast<size_t>(widest.slots()) * count * kTile * sizeof(float);
  };
  // Largest products have one column, and strips of their own height.
  const size_t sums = bytes(columns.count()), largest = bytes(1);
  return sums > largest ? sums : largest;
}

int launch_measures(const PairLayout& layout, const Features& features, const SampleMeasures& to,
                    cudaStream_t stream) {
  return launch(measure_samples, dim3(static_cast<unsigned>(sample_blocks(layout))),
                dim3(32 * kSampleWarps), kSampleWarps * sizeof(double), stream, layout, features,
                to);
}

int launch_split(const PairLayout& layout, const Features& features, const double* bound,
                 uint4* operands, cudaStream_t stream) {
  return launch(split_views, dim3(static_cast<unsigned>(sample_blocks(layout))),
                dim3(32 * kSampleWarps), 0, stream, layout, features, bound, operands);
}

int launch_largest(const PairViews& views, Receivers receivers, double lowest_temperature,
                   float* largest) {
  const Rows rows = all_rows(views.layout, receivers);
  return for_each_strip(views, receivers, rows, 1, [&](const Strip& strip, bool first) {
    const LargestTask task{views.layout,           strip,      views.operands, views.bound,
                           1 / lowest_temperature, views.parts};
    const int error = launch(largest_of_tile, dim3(static_cast<unsigned>(strip.tiles())),
                             dim3(kTileThreads), kLargestSharedBytes, views.stream, task);
    if (error != 0) return error;
    return launch(largest_of_parts, dim3(static_cast<unsigned>(strip.num_receivers())), dim3(kTile),
                  0, views.stream, task, first, largest);
  });
}

int launch_sweep(const PairViews& views, const Sweep& sweep) {
  const int columns = views.columns.count();
  const size_t values = static_cast<size_t>(columns) * views.layout.padded();
  const auto for_sums = [&](const auto& call) {
    call(sweep.to.sum, values);
    if (sweep.to.earlier != nullptr) call(sweep.to.earlier, values);
  };
  // A member's tiles do not reach all receivers: it adds to zeros.
  if (views.team != nullptr) for_sums(views.team->clear);
  const Rows rows = own_rows(views, sweep.receivers);
  const auto visit = [&](const Strip& strip, bool first) {
    const SweepTask task{views.layout,
                         strip,
                         views.operands,
                         views.largest,
                         views.bound,
                         1 / sweep.temperature,
                         sweep.matrix == Matrix::kH,
                         sweep.shift_by_receiver,
                         sweep.to_later,
                         sweep.to_earlier,
                         sweep.to.earlier != nullptr,
                         views.parts};
    const int error = launch_tiles(task, views.columns, views.stream);
    if (error != 0) return error;
    const dim3 grid(static_cast<unsigned>(strip.num_receivers()), static_cast<unsigned>(columns));
    return launch(reduce_parts, grid, dim3(kTile), 0, views.stream, task, views.columns.size,
                  first && views.team == nullptr, sweep.to);
  };
  const int error_of_strips = for_each_strip(views, sweep.receivers, rows, columns, visit);
  if (views.team != nullptr && error_of_strips == 0) for_sums(views.team->sum);
  return error_of_strips;
}

}  // namespace ipirm::ops::cuda

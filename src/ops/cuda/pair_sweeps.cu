// Launches of the sweeps over all pairs of views.
#include "ops/cuda/pair_sweeps.cuh"

#include "ops/cuda/largest_kernel.cuh"
#include "ops/cuda/reduce_parts.cuh"
#include "ops/cuda/split_views.cuh"

namespace ipirm::ops::cuda {
namespace {

// Calls visit(strip, whether it is the first for its receivers) on the strips of a sweep; the first
// error ends it.
template <class Visit>
int for_each_strip(const PairViews& views, Receivers receivers, int columns, Visit visit) {
  const PairLayout& layout = views.layout;
  const int rows = receivers == Receivers::kAll ? layout.blocks() : layout.view_blocks;
  const int height = strip_height(layout, receivers, columns, views.most_parts_bytes);
  int error = 0;
  for (int row = 0; row < rows && error == 0; row += height) {
    const int end = row + height < rows ? row + height : rows;
    error = visit(Strip{receivers, layout.view_blocks, row, end},
                  row == 0 || receivers == Receivers::kRows);
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
  return for_each_strip(views, receivers, 1, [&](const Strip& strip, bool first) {
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
  return for_each_strip(views, sweep.receivers, columns, [&](const Strip& strip, bool first) {
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
    return launch(reduce_parts, grid, dim3(kTile), 0, views.stream, task, views.columns.size, first,
                  sweep.to);
  });
}

}  // namespace ipirm::ops::cuda

// Packs a batch's views, schedules the tiles and hands them to the kernels.
#include "ops/pair_sweep.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/share_out.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ipirm::ops {
namespace {

constexpr int64_t kKeptBytes = int64_t{80} << 20;
// The tiles are shared out to lanes, each of which sums on its own: what may run at once. Their
// number follows from that of the tiles, so that rounding does not depend on the number of threads.
constexpr int64_t kMostLanes = 32, kLeastLanes = 4, kTilesOfLane = 16;

// Memory that is written once at full speed: fewer, larger page faults.
void use_huge_pages([[maybe_unused]] const at::Tensor& memory) {
#if defined(__linux__)
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const auto begin = reinterpret_cast<uintptr_t>(memory.data_ptr());
  const uintptr_t end = (begin + memory.nbytes()) / kPage * kPage;
  const uintptr_t first_page = (begin + kPage - 1) / kPage * kPage;
  if (first_page < end) {
    madvise(reinterpret_cast<void*>(first_page), end - first_page, MADV_HUGEPAGE);
  }
#endif
}

}  // namespace

template <class T>
PairSweep<T>::PairSweep(const at::Tensor& z1, const at::Tensor& z2,
                        const std::optional<at::Tensor>& index, bool cross, Team* team)
    : kernels_(best_pair_kernels<T>()),
      n_(index ? index->size(0) : z1.size(0)),
      dim_(z1.size(1)),
      view_blocks_((n_ + kBlock - 1) / kBlock),
      view_stride_(view_blocks_ * kBlock),
      team_(team) {
  const auto options = z1.options().requires_grad(false);
  row_panels_ = at::empty({padded(), dim_}, options);
  column_panels_ = at::empty({padded(), dim_}, options);
  const auto rows = index ? index->contiguous() : at::Tensor();
  pack(z1.contiguous(), z2.contiguous(), index ? rows.template const_data_ptr<int64_t>() : nullptr);
  schedule(cross);
}

template <class T>
ViewColumns PairSweep<T>::zeros(int64_t columns) const {
  return at::zeros({columns, padded()}, row_panels_.options());
}

template <class T>
void PairSweep<T>::pack(const at::Tensor& z1, const at::Tensor& z2, const int64_t* index) {
  const T* source[] = {z1.const_data_ptr<T>(), z2.const_data_ptr<T>()};
  T* const rows = row_panels_.mutable_data_ptr<T>();
  T* const columns = column_panels_.mutable_data_ptr<T>();
  positives_.resize(static_cast<size_t>(n_));
  std::vector<double> largest(static_cast<size_t>(view_blocks_), 0);
  share_out(view_blocks_, [&](int64_t block) {
    for (int64_t sample = block * kBlock; sample < (block + 1) * kBlock; ++sample) {
      double norms[2] = {0, 0}, positive = 0;
      const int64_t from = sample < n_ ? (index != nullptr ? index[sample] : sample) : -1;
      TORCH_CHECK(sample >= n_ || (from >= 0 && from < z1.size(0)), "index[", sample, "] is ", from,
                  "; the features have ", z1.size(0), " rows");
      for (int64_t view = 0; view < 2; ++view) {
        const int64_t view_place = place(view, sample);
        const auto panel = [&](T* panels, int64_t width) {
          return panels + view_place / width * width * dim_ + view_place % width;
        };
        T* row = panel(rows, kernels_.row_panel);
        T* column = panel(columns, kernels_.column_panel);
        for (int64_t k = 0; k < dim_; ++k) {
          const T value = from < 0 ? T{0} : source[view][from * dim_ + k];
          row[k * kernels_.row_panel] = value;
          column[k * kernels_.column_panel] = value;
          norms[view] += static_cast<double>(value) * value;
        }
      }
      if (from < 0) continue;
      for (int64_t k = 0; k < dim_; ++k) {
        positive += static_cast<double>(source[0][from * dim_ + k]) * source[1][from * dim_ + k];
      }
      positives_[static_cast<size_t>(sample)] = positive;
      auto& most = largest[static_cast<size_t>(sample / kBlock)];
      most = std::max({most, norms[0], norms[1]});
    }
  });
  bound_ = *std::max_element(largest.begin(), largest.end());
}

template <class T>
void PairSweep<T>::schedule(bool cross) {
  const int64_t blocks = 2 * view_blocks_;
  for (int64_t row = 0; row < (cross ? view_blocks_ : blocks); ++row) {
    for (int64_t column = cross ? view_blocks_ : row; column < blocks; ++column) {
      tiles_.push_back({row, column});
    }
  }
  if (team_ != nullptr) {
    const auto [first, end] = team_->own(static_cast<int64_t>(tiles_.size()));
    tiles_ = {tiles_.begin() + first, tiles_.begin() + end};
  }
  const auto tiles = static_cast<int64_t>(tiles_.size());
  const int64_t tile_bytes = kBlock * kBlock * static_cast<int64_t>(sizeof(T));
  lanes_ = std::clamp(tiles / kTilesOfLane, kLeastLanes, kMostLanes);
  const int64_t in_lane = std::min((tiles + lanes_ - 1) / lanes_, kKeptBytes / lanes_ / tile_bytes);
  products_ = at::empty({lanes_, in_lane, kBlock * kBlock}, row_panels_.options());
  use_huge_pages(products_);
}

template <class T>
void PairSweep<T>::run(const Tile& tile, TileProduct<T> task, const Pointers& columns) const {
  const int64_t row = tile.row_block * kBlock, column = tile.column_block * kBlock;
  const int64_t row_sample = row % view_stride_, column_sample = column % view_stride_;
  task.rows = row_panels_.const_data_ptr<T>() + row * dim_;
  task.columns = column_panels_.const_data_ptr<T>() + column * dim_;
  task.num_rows = std::min(kBlock, n_ - row_sample);
  task.num_columns = std::min(kBlock, n_ - column_sample);
  if (task.row_shift != nullptr) {
    task.column_shift = task.row_shift + column;
    task.row_shift += row;
  }
  // A block with itself holds each pair twice: what its columns receive goes nowhere.
  std::vector<T> nowhere;
  task.column_out_stride = task.stride;
  if (row == column) {
    nowhere.resize(static_cast<size_t>(kBlock * task.num_weights));
    task.column_out_stride = kBlock;
  }
  // Rows receive from columns that come before or after them; columns the other way round.
  const auto multiply = [&](bool column_before) {
    task.row_in = (column_before ? columns.in_after : columns.in_before) + row;
    task.column_in = (column_before ? columns.in_before : columns.in_after) + column;
    task.row_out = (column_before ? columns.out_after : columns.out_before) + row;
    task.column_out = row == column
                          ? nowhere.data()
                          : (column_before ? columns.out_before : columns.out_after) + column;
    kernels_.multiply(task);
    task.computed = true;
  };
  if (row_sample != column_sample) {
    task.pairs = Pairs::kAll;
    return multiply(column_sample < row_sample);
  }
  if (columns.in_before == columns.in_after && columns.out_before == columns.out_after) {
    task.pairs = Pairs::kOthers;
    return multiply(true);
  }
  task.pairs = Pairs::kColumnBefore;
  multiply(true);
  task.pairs = Pairs::kColumnAfter;
  multiply(false);
}

template <class T>
void PairSweep<T>::run_lane(int64_t lane, const TileProduct<T>& task,
                            const Pointers& columns) const {
  const auto tiles = static_cast<int64_t>(tiles_.size());
  const int64_t first_tile = lane * tiles / lanes_, end_tile = (lane + 1) * tiles / lanes_;
  const int64_t kept = products_.size(1), tile_size = kBlock * kBlock;
  T* const products = products_.mutable_data_ptr<T>() + lane * kept * tile_size;
  for (int64_t i = first_tile; i < end_tile; ++i) {
    auto tile_task = task;
    const bool keep = i - first_tile < kept;
    tile_task.products = keep ? products + (i - first_tile) * tile_size : nullptr;
    tile_task.computed = keep && computed_;
    run(tiles_[static_cast<size_t>(i)], tile_task, columns);
  }
}

template <class T>
void PairSweep<T>::multiply(Term term, double temperature, const std::optional<ViewColumns>& shift,
                            bool shift_by_receiver, const Columns& columns) {
  TileProduct<T> task{};
  task.dim = dim_;
  task.scale = static_cast<T>(1 / (temperature * std::log(2.)));
  task.term = term;
  task.num_weights = columns.in_before.size(0);
  task.stride = padded();
  at::Tensor exponents;
  if (shift) {
    exponents = *shift / std::log(2.);
    task.row_shift = exponents.const_data_ptr<T>();
  }
  task.shift_by_receiver = shift_by_receiver;

  // Each lane adds to sums of its own; lanes are added in their order, whoever ran them.
  const bool split = !columns.out_before.is_same(columns.out_after);
  const int64_t size = task.num_weights * padded();
  const auto sums = at::empty({lanes_, split ? 2 : 1, size}, row_panels_.options());
  T* const all = sums.template mutable_data_ptr<T>();
  const int64_t lane_size = sums.stride(0);
  share_out(lanes_, [&](int64_t lane) {
    T* own = all + lane * lane_size;
    std::fill(own, own + lane_size, T{0});
    run_lane(lane, task,
             {columns.in_before.template const_data_ptr<T>(),
              columns.in_after.template const_data_ptr<T>(), own, split ? own + size : own});
  });
  computed_ = true;
  T* const out[] = {columns.out_before.template mutable_data_ptr<T>(),
                    columns.out_after.template mutable_data_ptr<T>()};
  share_out_range(lane_size, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t half = 0; half < (split ? 2 : 1); ++half) {
      const int64_t from = std::max(begin, half * size), to = std::min(end, (half + 1) * size);
      T* const target = out[half] - half * size;
      for (int64_t lane = 0; lane < lanes_; ++lane) {
        const T* own = all + lane * lane_size;
#pragma omp simd
        for (int64_t i = from; i < to; ++i) target[i] += own[i];
      }
    }
  });
  if (team_ == nullptr) return;
  team_->sum(columns.out_before);
  if (split) team_->sum(columns.out_after);
}

template class PairSweep<float>;
template class PairSweep<double>;

}  // namespace ipirm::ops

// Products of a batch's matrices E = exp(S/T) and H = E∘S with columns of weights, tile by tile:
// neither matrix ever exists as a whole.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "ipirm/ops/team.h"
#include "ops/pair_kernels.h"

namespace ipirm::ops {

// Weights of M = 2N views in the sweep's own layout: (C, padded()), column c contiguous, views
// where PairSweep::place() says, zeros elsewhere.
using ViewColumns = at::Tensor;

// Whether no exponent or sum of exponentials leaves float32's range at this temperature, so that
// they can be taken as they are. bound: the largest |z|² of a view; no |l_ij| is larger than
// bound/T.
inline bool exponents_are_safe(double bound, double temperature) {
  return bound / temperature < 22;
}

// The pairs of 2N views; S_ij = z_i·z_j. Pairs of one sample never count: neither a view with
// itself nor the two of a sample.
template <class T>
class PairSweep {
 public:
  // z1, z2 (n, d) of T on the CPU; index (N) int64 chooses N >= 1 of their rows, all where not
  // given. cross: only pairs of a first with a second view count (METHOD 6). Copies the chosen rows
  // into its own layout, and keeps up to 80 MB of inner products between sweeps: all of those of
  // 3,096 samples in float32. team: computes the tiles together, or null; it must outlive this.
  PairSweep(const at::Tensor& z1, const at::Tensor& z2, const std::optional<at::Tensor>& index,
            bool cross, Team* team = nullptr);

  int64_t num_samples() const { return n_; }
  int64_t padded() const { return 2 * view_stride_; }
  // Where view 0 or 1 of a sample stands in ViewColumns.
  int64_t place(int64_t view, int64_t sample) const { return view * view_stride_ + sample; }
  ViewColumns zeros(int64_t columns) const;
  // A block of ViewColumns without its padding: (C, N).
  at::Tensor of_view(const ViewColumns& columns, int64_t view) const {
    return columns.narrow(1, view * view_stride_, n_);
  }
  // Both blocks: (C, 2, N).
  at::Tensor by_view(const ViewColumns& columns) const {
    return columns.view({columns.size(0), 2, view_stride_}).narrow(2, 0, n_);
  }
  // Inner products of each sample's two views, (N) double.
  const std::vector<double>& positives() const { return positives_; }
  bool exponents_are_safe(double temperature) const {
    return ops::exponents_are_safe(bound_, temperature);
  }

  // What the receiving view i gets, for each column: Σ_j F_ij in_j. `in` may depend on whether j's
  // sample comes before or after i's, and `out` on whether i's comes before or after j's (METHOD
  // 10's positions); where it does not, both are the same tensor. Added to `out`, which a team
  // gives as zeros.
  struct Columns {
    const ViewColumns& in_before;
    const ViewColumns& in_after;
    const ViewColumns& out_before;
    const ViewColumns& out_after;
  };
  // At temperature T; shift (1, padded()): exponents are relative to m = shift of the receiving or
  // the giving view. Without shift, exponents_are_safe() must hold.
  void multiply(Term term, double temperature, const std::optional<ViewColumns>& shift,
                bool shift_by_receiver, const Columns& columns);

 private:
  struct Tile {
    int64_t row_block, column_block;
  };
  // Columns as the kernels see them.
  struct Pointers {
    const T *in_before, *in_after;
    T *out_before, *out_after;
  };
  void pack(const at::Tensor& z1, const at::Tensor& z2, const int64_t* index);
  void schedule(bool cross);
  void run(const Tile& tile, TileProduct<T> task, const Pointers& columns) const;
  void run_lane(int64_t lane, const TileProduct<T>& task, const Pointers& columns) const;

  const PairKernels<T>& kernels_;
  int64_t n_, dim_, view_blocks_, view_stride_;
  at::Tensor row_panels_, column_panels_;  // (padded(), d) in the kernels' panels
  std::vector<double> positives_;
  double bound_ = 0;
  Team* team_;
  std::vector<Tile> tiles_;  // the team's share of them
  int64_t lanes_ = 1;
  at::Tensor products_;  // (lanes, tiles kept of each, kBlock²)
  bool computed_ = false;
};

}  // namespace ipirm::ops

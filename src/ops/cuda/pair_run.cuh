// What the launches of both partition risks share: the batch's views in scratch memory, and the
// steps before the first sweep.
#pragma once

#include "ops/cuda/batch_sums.cuh"
#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/row_sums.cuh"
#include "ops/cuda/scratch.h"

namespace ipirm::ops::cuda {

// Of the batch's views, in scratch memory.
struct PairMemory {
  uint4* operands;
  double *own, *block_bounds;  // as in SampleMeasures
  double *bound, *sums;        // as launch_batch_sums leaves them
  float *largest, *parts;
};

inline PairMemory deal_pairs(Scratch& scratch, const PairLayout& layout,
                             const ColumnGroups& columns, size_t num_env, Receivers receivers) {
  const auto views = static_cast<size_t>(layout.padded());
  PairMemory to;
  to.operands = scratch.take<uint4>(views * layout.chunks * kChunkVectors);
  to.own = scratch.take<double>(views / 2);
  to.block_bounds = scratch.take<double>(sample_blocks(layout));
  to.bound = scratch.take<double>(1);
  to.sums = scratch.take<double>(num_env);
  to.largest = scratch.take<float>(views);
  to.parts = scratch.take<float>(parts_bytes(layout, columns, receivers) / sizeof(float));
  return to;
}

// The launches of one call; the first error of them is kept.
class PairRun {
 protected:
  // team: sweeps together, or null; it must outlive this.
  PairRun(const PairLayout& layout, int num_env, const PairMemory& memory, void* stream,
          const SweepTeam* team)
      : num_env_(num_env),
        columns_(column_groups(num_env)),
        views_{layout,       columns_,    memory.operands, memory.largest,
               memory.bound, kPartsBytes, memory.parts,    static_cast<cudaStream_t>(stream),
               team},
        pairs_(memory) {}

  // Everything in pairs_ but parts. other: as in SampleMeasures.
  void prepare(const Features& features, const float* weights, double* other, Receivers receivers,
               double lowest_temperature) {
    const PairLayout& layout = views_.layout;
    error_ = launch_measures(layout, features, {pairs_.own, other, pairs_.block_bounds}, stream());
    error_ = launch_batch_sums(layout, weights, num_env_, pairs_.block_bounds, pairs_.sums,
                               pairs_.bound, stream());
    error_ = launch_split(layout, features, pairs_.bound, pairs_.operands, stream());
    error_ = launch_largest(views_, receivers, lowest_temperature, pairs_.largest);
  }

  // A kernel whose threads take rows, `blocks` of kRowThreads for each column.
  template <class... Parameters, class... Arguments>
  void for_rows(void (*kernel)(Parameters...), int blocks, int columns,
                const Arguments&... arguments) {
    error_ = launch(kernel, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(columns)),
                    dim3(kRowThreads), kBlockSumBytes, stream(), arguments...);
  }

  void sweep(const Sweep& of_pairs) { error_ = launch_sweep(views_, of_pairs); }

  int values(const ValueParts& parts, float* contrastive, float* penalty) {
    error_ = launch_values(parts, num_env_, contrastive, penalty, stream());
    return error_.value();
  }

  int num_env_;
  ColumnGroups columns_;
  PairViews views_;
  PairMemory pairs_;

 private:
  cudaStream_t stream() const { return views_.stream; }

  FirstError error_;
};

}  // namespace ipirm::ops::cuda

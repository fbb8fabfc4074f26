// Launches partition_risk: sweeps over pairs, and the mathematics of rows between them.
#include "ops/cuda/partition_risk_launch.h"

#include "ops/cuda/batch_sums.cuh"
#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/risk_rows.cuh"
#include "ops/cuda/scratch.h"

namespace ipirm::ops::cuda {
namespace {

// Everything in scratch memory. "columns" are (columns, padded), "rows" (K, padded).
struct Memory {
  uint4* operands;
  double *own, *block_bounds, *bound, *sums;
  float *largest, *parts;
  float *weights, *given, *given_earlier;            // columns: what views give in sweeps
  double *received, *later, *earlier, *by_position;  // columns: what they receive
  double *da, *dw;                                   // rows
  double* total;                                     // (K, view_stride)
  // (K, row_blocks)
  double *contrastive, *irm_contrastive, *g0, *penalty, *da_a, *dw_parts;
};

Memory deal(Scratch& scratch, const PairLayout& layout, const ColumnGroups& columns, size_t k) {
  const auto views = static_cast<size_t>(layout.padded());
  const size_t column = views * columns.count(), samples = views / 2;
  const size_t blocks = k * views / kRowThreads;
  Memory to;
  to.operands = scratch.take<uint4>(views * layout.chunks * kChunkVectors);
  to.own = scratch.take<double>(samples);
  to.block_bounds = scratch.take<double>(sample_blocks(layout));
  to.bound = scratch.take<double>(1);
  to.sums = scratch.take<double>(k);
  to.largest = scratch.take<float>(views);
  to.parts = scratch.take<float>(parts_bytes(layout, columns, Receivers::kAll) / sizeof(float));
  for (float** columns_of : {&to.weights, &to.given, &to.given_earlier}) {
    *columns_of = scratch.take<float>(column);
  }
  for (double** columns_of : {&to.received, &to.later, &to.earlier, &to.by_position}) {
    *columns_of = scratch.take<double>(column);
  }
  to.da = scratch.take<double>(k * views);
  to.dw = scratch.take<double>(k * views);
  to.total = scratch.take<double>(k * samples);
  for (double** parts :
       {&to.contrastive, &to.irm_contrastive, &to.g0, &to.penalty, &to.da_a, &to.dw_parts}) {
    *parts = scratch.take<double>(blocks);
  }
  return to;
}

class Run {
 public:
  Run(const PartitionRiskInputs& in, const PartitionRiskOutputs& out, void* scratch, void* stream)
      : in_(in),
        out_(out),
        layout_(pair_layout(in.n, in.dim)),
        columns_(column_groups(in.num_env)),
        stream_(static_cast<cudaStream_t>(stream)) {
    Scratch dealt(scratch);
    memory_ = deal(dealt, layout_, columns_, static_cast<size_t>(in.num_env));
    batch_ = {layout_,         static_cast<int>(in.num_env),
              in.nonorm,       in.weights,
              memory_.sums,    memory_.own,
              memory_.largest, memory_.bound};
    views_ = {layout_,       columns_,    memory_.operands, memory_.largest,
              memory_.bound, kPartsBytes, memory_.parts,    stream_};
    positions_ = {memory_.later, memory_.earlier};
  }

  int operator()() {
    prepare();
    const double t = in_.temperature, irm_t = in_.irm_temperature, lambda = in_.irm_weight;
    rows(t, memory_.contrastive);
    if (t == irm_t) {
      positions(t);
      gradients({t, 1, lambda}, /*first=*/true, /*last=*/true);
    } else {
      gradients({t, 1, 0}, /*first=*/true, /*last=*/lambda == 0);
      rows(irm_t, memory_.irm_contrastive);
      positions(irm_t);
      if (lambda != 0) gradients({irm_t, 0, lambda}, /*first=*/false, /*last=*/true);
    }
    error_ = launch_values({memory_.contrastive, memory_.g0, memory_.penalty, batch_.row_blocks()},
                           batch_.num_env, out_.contrastive, out_.penalty, stream_);
    return error_.value();
  }

 private:
  void prepare() {
    const Features features{in_.z1, in_.z2, in_.index, nullptr, in_.rows, in_.dim};
    error_ =
        launch_measures(layout_, features, {memory_.own, nullptr, memory_.block_bounds}, stream_);
    error_ = launch_batch_sums(layout_, in_.weights, batch_.num_env, memory_.block_bounds,
                               memory_.sums, memory_.bound, stream_);
    error_ = launch_split(layout_, features, memory_.bound, memory_.operands, stream_);
    error_ = launch(spread_weights, grid(columns_.count()), dim3(kRowThreads), 0, stream_, batch_,
                    memory_.weights);
    const double lowest =
        in_.temperature < in_.irm_temperature ? in_.temperature : in_.irm_temperature;
    error_ = launch_largest(views_, Receivers::kAll, lowest, memory_.largest);
  }

  // A_i, what rows know by it, and what they give in position sums.
  void rows(double temperature, double* contrastive) {
    sweep(Matrix::kE, /*shift_by_receiver=*/true, temperature, memory_.weights, memory_.weights,
          {memory_.received, nullptr});
    error_ = launch(weigh_rows, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes, stream_,
                    batch_, temperature, memory_.received, memory_.given,
                    RowSumParts{contrastive, memory_.g0});
  }

  // g, after rows() at the temperature; the sums over rows that it is made of stay.
  void positions(double temperature) {
    sweep(Matrix::kH, /*shift_by_receiver=*/false, temperature, memory_.given, memory_.given,
          {memory_.later, memory_.earlier});
    error_ = launch(weigh_positions, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes,
                    stream_, batch_, positions_, 2 * in_.irm_weight / temperature, memory_.given,
                    memory_.given_earlier, memory_.penalty);
  }

  struct Terms {
    double temperature, alpha, lambda;
  };
  // d/d weights of alpha * contrastive + lambda * penalty, after rows() and, where lambda is not 0,
  // positions() at the temperature.
  void gradients(const Terms& terms, bool first, bool last) {
    const auto& [temperature, alpha, lambda] = terms;
    double* const db = memory_.by_position;
    if (lambda != 0) {
      sweep(Matrix::kH, /*shift_by_receiver=*/true, temperature, memory_.given,
            memory_.given_earlier, {db, nullptr});
    }
    const GradientTask task{temperature,
                            alpha,
                            lambda,
                            memory_.received,
                            lambda != 0 ? memory_.g0 : nullptr,
                            lambda != 0 ? db : nullptr,
                            memory_.da,
                            memory_.dw,
                            memory_.da_a,
                            memory_.dw_parts};
    error_ = launch(weigh_gradients, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes,
                    stream_, batch_, task, memory_.given);
    sweep(Matrix::kE, /*shift_by_receiver=*/false, temperature, memory_.given, memory_.given,
          {memory_.received, nullptr});
    const GradientSums sums{memory_.received,
                            memory_.da,
                            memory_.dw,
                            memory_.da_a,
                            memory_.dw_parts,
                            lambda,
                            lambda != 0 ? positions_ : PositionSums{nullptr, nullptr}};
    const dim3 half(static_cast<unsigned>((layout_.view_stride() + kRowThreads - 1) / kRowThreads),
                    static_cast<unsigned>(in_.num_env));
    error_ = launch(add_gradients, half, dim3(kRowThreads), kBlockSumBytes, stream_, batch_, sums,
                    first, memory_.total, last ? out_.grad : nullptr);
  }

  void sweep(Matrix matrix, bool shift_by_receiver, double temperature, const float* to_later,
             const float* to_earlier, const SweepSums& to) {
    error_ = launch_sweep(views_, {Receivers::kAll, matrix, shift_by_receiver, temperature,
                                   to_later, to_earlier, to});
  }

  dim3 grid(int columns) const {
    return dim3(static_cast<unsigned>(batch_.row_blocks()), static_cast<unsigned>(columns));
  }

  const PartitionRiskInputs& in_;
  const PartitionRiskOutputs& out_;
  PairLayout layout_;
  ColumnGroups columns_;
  cudaStream_t stream_;
  Memory memory_;
  RiskBatch batch_;
  PairViews views_;
  PositionSums positions_;
  FirstError error_;
};

}  // namespace

size_t partition_risk_scratch(const PartitionRiskInputs& in) {
  Scratch scratch(nullptr);
  deal(scratch, pair_layout(in.n, in.dim), column_groups(in.num_env),
       static_cast<size_t>(in.num_env));
  return scratch.bytes();
}

int partition_risk(const PartitionRiskInputs& in, const PartitionRiskOutputs& out, void* scratch,
                   void* stream) {
  return Run(in, out, scratch, stream)();
}

}  // namespace ipirm::ops::cuda

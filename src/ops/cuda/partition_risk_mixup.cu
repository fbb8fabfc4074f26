// Launches partition_risk_mixup: sweeps over pairs of a mixed with an unmixed view, and the
// mathematics of rows and columns between them.
#include "ops/cuda/batch_sums.cuh"
#include "ops/cuda/mixup_rows.cuh"
#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/partition_risk_mixup_launch.h"
#include "ops/cuda/scratch.h"

namespace ipirm::ops::cuda {
namespace {

// Everything in scratch memory. "columns" are (columns, padded).
struct MixupMemory {
  uint4* operands;
  double *own, *other, *block_bounds, *bound, *sums;
  float *largest, *parts;
  float* given;                                         // columns: what views give in sweeps
  double *sum, *column_sum, *db, *transposed;           // columns: what they receive
  double *at_partner, *g, *da, *dw, *push;              // (K, view_stride)
  double *contrastive, *penalty, *da_parts, *dw_parts;  // (K, blocks)
};

MixupMemory deal_mixup(Scratch& scratch, const PairLayout& layout, const ColumnGroups& columns,
                       size_t k) {
  const auto views = static_cast<size_t>(layout.padded()), samples = views / 2;
  const size_t column = views * columns.count();
  MixupMemory to;
  to.operands = scratch.take<uint4>(views * layout.chunks * kChunkVectors);
  to.own = scratch.take<double>(samples);
  to.other = scratch.take<double>(samples);
  to.block_bounds = scratch.take<double>(sample_blocks(layout));
  to.bound = scratch.take<double>(1);
  to.sums = scratch.take<double>(k);
  to.largest = scratch.take<float>(views);
  to.parts = scratch.take<float>(parts_bytes(layout, columns, Receivers::kRows) / sizeof(float));
  to.given = scratch.take<float>(column);
  for (double** received : {&to.sum, &to.column_sum, &to.db, &to.transposed}) {
    *received = scratch.take<double>(column);
  }
  for (double** of_samples : {&to.at_partner, &to.g, &to.da, &to.dw, &to.push}) {
    *of_samples = scratch.take<double>(k * samples);
  }
  const size_t blocks = (samples + kRowThreads - 1) / kRowThreads;
  for (double** parts : {&to.contrastive, &to.penalty, &to.da_parts, &to.dw_parts}) {
    *parts = scratch.take<double>(k * blocks);
  }
  return to;
}

class MixupRun {
 public:
  MixupRun(const PartitionRiskMixupInputs& in, const PartitionRiskMixupOutputs& out, void* scratch,
           void* stream)
      : in_(in),
        out_(out),
        layout_(pair_layout(in.n, in.dim)),
        columns_(column_groups(in.num_env)),
        stream_(static_cast<cudaStream_t>(stream)) {
    Scratch dealt(scratch);
    memory_ = deal_mixup(dealt, layout_, columns_, static_cast<size_t>(in.num_env));
    batch_ = {layout_,         static_cast<int>(in.num_env),
              in.nonorm,       in.temperature,
              in.weights,      in.lam,
              in.partner,      memory_.sums,
              memory_.own,     memory_.other,
              memory_.largest, memory_.bound};
    views_ = {layout_,       columns_,    memory_.operands, memory_.largest,
              memory_.bound, kPartsBytes, memory_.parts,    stream_};
  }

  int operator()() {
    prepare();
    sweep(Receivers::kRows, Matrix::kE, memory_.sum);
    error_ = launch(give_rows, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes, stream_,
                    batch_, memory_.sum, memory_.given, memory_.at_partner, memory_.contrastive);
    sweep(Receivers::kColumns, Matrix::kH, memory_.column_sum);
    error_ = launch(give_columns, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes,
                    stream_, batch_, memory_.sum, memory_.column_sum, memory_.at_partner,
                    in_.irm_weight, memory_.given, memory_.g, memory_.penalty);
    gradients();
    error_ = launch_values({memory_.contrastive, nullptr, memory_.penalty, batch_.blocks()},
                           batch_.num_env, out_.contrastive, out_.penalty, stream_);
    return error_.value();
  }

 private:
  void prepare() {
    const Features features{in_.z1, in_.z2, nullptr, in_.partner, in_.n, in_.dim};
    error_ = launch_measures(layout_, features, {memory_.own, memory_.other, memory_.block_bounds},
                             stream_);
    error_ = launch_batch_sums(layout_, in_.weights, batch_.num_env, memory_.block_bounds,
                               memory_.sums, memory_.bound, stream_);
    error_ = launch_split(layout_, features, memory_.bound, memory_.operands, stream_);
    error_ = launch_largest(views_, Receivers::kRows, in_.temperature, memory_.largest);
    error_ = launch(give_weights, grid(columns_.count()), dim3(kRowThreads), 0, stream_, batch_,
                    memory_.given);
  }

  void gradients() {
    const bool penalty = in_.irm_weight != 0;
    if (penalty) sweep(Receivers::kRows, Matrix::kH, memory_.db);
    const MixGradientTask task{
        in_.irm_weight,  memory_.sum, memory_.g,    penalty ? memory_.db : nullptr,
        memory_.da,      memory_.dw,  memory_.push, memory_.da_parts,
        memory_.dw_parts};
    error_ = launch(give_gradients, grid(columns_.count()), dim3(kRowThreads), kBlockSumBytes,
                    stream_, batch_, task, memory_.given);
    sweep(Receivers::kColumns, Matrix::kE, memory_.transposed);
    error_ = launch(write_gradients, grid(batch_.num_env), dim3(kRowThreads), kBlockSumBytes,
                    stream_, batch_, task, memory_.column_sum, memory_.transposed, out_.grad);
  }

  // Exponents are relative to the rows' m.
  void sweep(Receivers receivers, Matrix matrix, double* to) {
    error_ = launch_sweep(views_, {receivers,
                                   matrix,
                                   receivers == Receivers::kRows,
                                   in_.temperature,
                                   memory_.given,
                                   memory_.given,
                                   {to, nullptr}});
  }

  dim3 grid(int columns) const {
    return dim3(static_cast<unsigned>(batch_.blocks()), static_cast<unsigned>(columns));
  }

  const PartitionRiskMixupInputs& in_;
  const PartitionRiskMixupOutputs& out_;
  PairLayout layout_;
  ColumnGroups columns_;
  cudaStream_t stream_;
  MixupMemory memory_;
  MixupBatch batch_;
  PairViews views_;
  FirstError error_;
};

}  // namespace

size_t partition_risk_mixup_scratch(const PartitionRiskMixupInputs& in) {
  Scratch scratch(nullptr);
  deal_mixup(scratch, pair_layout(in.n, in.dim), column_groups(in.num_env),
             static_cast<size_t>(in.num_env));
  return scratch.bytes();
}

int partition_risk_mixup(const PartitionRiskMixupInputs& in, const PartitionRiskMixupOutputs& out,
                         void* scratch, void* stream) {
  return MixupRun(in, out, scratch, stream)();
}

}  // namespace ipirm::ops::cuda

// Launches partition_risk_mixup: sweeps over pairs of a mixed with an unmixed view, and the
// mathematics of rows and columns between them.
#include "ops/cuda/mixup_rows.cuh"
#include "ops/cuda/pair_run.cuh"
#include "ops/cuda/partition_risk_mixup_launch.h"

namespace ipirm::ops::cuda {
namespace {

// Everything in scratch memory. "columns" are (columns, padded).
struct MixupMemory {
  PairMemory pairs;
  double* other;                                        // as in SampleMeasures
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
  to.pairs = deal_pairs(scratch, layout, columns, k, Receivers::kRows);
  to.other = scratch.take<double>(samples);
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

class MixupRun : private PairRun {
 public:
  MixupRun(const PartitionRiskMixupInputs& in, const PartitionRiskMixupOutputs& out,
           const PairLayout& layout, const MixupMemory& memory, void* stream)
      : PairRun(layout, static_cast<int>(in.num_env), memory.pairs, stream, in.team),
        in_(in),
        out_(out),
        memory_(memory),
        batch_{layout,     num_env_,    in.nonorm,  in.temperature, in.weights,     in.lam,
               in.partner, pairs_.sums, pairs_.own, memory.other,   pairs_.largest, pairs_.bound} {}

  int operator()() {
    prepare({in_.z1, in_.z2, nullptr, in_.partner, in_.n, in_.dim}, in_.weights, memory_.other,
            Receivers::kRows, in_.temperature);
    for_rows(give_weights, batch_.blocks(), columns_.count(), batch_, memory_.given);
    sweep(Receivers::kRows, Matrix::kE, memory_.sum);
    for_rows(give_rows, batch_.blocks(), columns_.count(), batch_, memory_.sum, memory_.given,
             memory_.at_partner, memory_.contrastive);
    sweep(Receivers::kColumns, Matrix::kH, memory_.column_sum);
    for_rows(give_columns, batch_.blocks(), columns_.count(), batch_, memory_.sum,
             memory_.column_sum, memory_.at_partner, in_.irm_weight, memory_.given, memory_.g,
             memory_.penalty);
    gradients();
    return values({memory_.contrastive, nullptr, memory_.penalty, batch_.blocks()},
                  out_.contrastive, out_.penalty);
  }

 private:
  void gradients() {
    const bool penalty = in_.irm_weight != 0;
    if (penalty) sweep(Receivers::kRows, Matrix::kH, memory_.db);
    const MixGradientTask task{
        in_.irm_weight,  memory_.sum, memory_.g,    penalty ? memory_.db : nullptr,
        memory_.da,      memory_.dw,  memory_.push, memory_.da_parts,
        memory_.dw_parts};
    for_rows(give_gradients, batch_.blocks(), columns_.count(), batch_, task, memory_.given);
    sweep(Receivers::kColumns, Matrix::kE, memory_.transposed);
    for_rows(write_gradients, batch_.blocks(), num_env_, batch_, task, memory_.column_sum,
             memory_.transposed, out_.grad);
  }

  // Exponents are relative to the rows' m.
  void sweep(Receivers receivers, Matrix matrix, double* to) {
    PairRun::sweep({receivers,
                    matrix,
                    receivers == Receivers::kRows,
                    in_.temperature,
                    memory_.given,
                    memory_.given,
                    {to, nullptr}});
  }

  const PartitionRiskMixupInputs& in_;
  const PartitionRiskMixupOutputs& out_;
  MixupMemory memory_;
  MixupBatch batch_;
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
  const PairLayout layout = pair_layout(in.n, in.dim);
  Scratch dealt(scratch);
  const MixupMemory memory =
      deal_mixup(dealt, layout, column_groups(in.num_env), static_cast<size_t>(in.num_env));
  return MixupRun(in, out, layout, memory, stream)();
}

}  // namespace ipirm::ops::cuda

// Launches partition_risk: sweeps over pairs, and the mathematics of rows between them.
#include "ops/cuda/partition_risk_launch.h"

#include <algorithm>

#include "ops/cuda/pair_run.cuh"
#include "ops/cuda/risk_rows.cuh"

namespace ipirm::ops::cuda {
namespace {

// Everything in scratch memory. "columns" are (columns, padded), "rows" (K, padded).
struct Memory {
  PairMemory pairs;
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
  to.pairs = deal_pairs(scratch, layout, columns, k, Receivers::kAll);
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

class Run : private PairRun {
 public:
  Run(const PartitionRiskInputs& in, const PartitionRiskOutputs& out, const PairLayout& layout,
      const Memory& memory, void* stream)
      : PairRun(layout, static_cast<int>(in.num_env), memory.pairs, stream, in.team),
        in_(in),
        out_(out),
        memory_(memory),
        batch_{layout,      num_env_,   in.nonorm,      in.weights,
               pairs_.sums, pairs_.own, pairs_.largest, pairs_.bound},
        positions_{memory.later, memory.earlier} {}

  int operator()() {
    start();
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
    return values({memory_.contrastive, memory_.g0, memory_.penalty, batch_.row_blocks()},
                  out_.contrastive, out_.penalty);
  }

 private:
  void start() {
    prepare({in_.z1, in_.z2, in_.index, nullptr, in_.rows, in_.dim}, in_.weights,
            /*other=*/nullptr, Receivers::kAll, std::min(in_.temperature, in_.irm_temperature));
    for_rows(spread_weights, batch_.row_blocks(), columns_.count(), batch_, memory_.weights);
  }

  // A_i, what rows know by it, and what they give in position sums.
  void rows(double temperature, double* contrastive) {
    sweep(Matrix::kE, /*shift_by_receiver=*/true, temperature, memory_.weights, memory_.weights,
          {memory_.received, nullptr});
    for_rows(weigh_rows, batch_.row_blocks(), columns_.count(), batch_, temperature,
             memory_.received, memory_.given, RowSumParts{contrastive, memory_.g0});
  }

  // g, after rows() at the temperature; the sums over rows that it is made of stay.
  void positions(double temperature) {
    sweep(Matrix::kH, /*shift_by_receiver=*/false, temperature, memory_.given, memory_.given,
          {memory_.later, memory_.earlier});
    for_rows(weigh_positions, batch_.row_blocks(), columns_.count(), batch_, positions_,
             2 * in_.irm_weight / temperature, memory_.given, memory_.given_earlier,
             memory_.penalty);
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
    for_rows(weigh_gradients, batch_.row_blocks(), columns_.count(), batch_, task, memory_.given);
    sweep(Matrix::kE, /*shift_by_receiver=*/false, temperature, memory_.given, memory_.given,
          {memory_.received, nullptr});
    const GradientSums sums{memory_.received,
                            memory_.da,
                            memory_.dw,
                            memory_.da_a,
                            memory_.dw_parts,
                            lambda,
                            lambda != 0 ? positions_ : PositionSums{nullptr, nullptr}};
    const int half = (views_.layout.view_stride() + kRowThreads - 1) / kRowThreads;
    for_rows(add_gradients, half, num_env_, batch_, sums, first, memory_.total,
             last ? out_.grad : nullptr);
  }

  void sweep(Matrix matrix, bool shift_by_receiver, double temperature, const float* to_later,
             const float* to_earlier, const SweepSums& to) {
    PairRun::sweep(
        {Receivers::kAll, matrix, shift_by_receiver, temperature, to_later, to_earlier, to});
  }

  const PartitionRiskInputs& in_;
  const PartitionRiskOutputs& out_;
  Memory memory_;
  RiskBatch batch_;
  PositionSums positions_;
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
  const PairLayout layout = pair_layout(in.n, in.dim);
  Scratch dealt(scratch);
  const Memory memory =
      deal(dealt, layout, column_groups(in.num_env), static_cast<size_t>(in.num_env));
  return Run(in, out, layout, memory, stream)();
}

}  // namespace ipirm::ops::cuda

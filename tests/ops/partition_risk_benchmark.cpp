// Times partition_risk on one maximization batch: build/bin/partition_risk_benchmark (threads:
// OMP_NUM_THREADS).
#include <benchmark/benchmark.h>
#include <torch/types.h>

#include "ipirm/ops/partition_risk.h"
#include "ops/operator_inputs.h"

namespace {

// Arguments: samples n, environments K, 1 where T' = T.
void partition_risk(benchmark::State& state) {
  const auto in =
      ipirm::ops::random_inputs(state.range(0), 128, state.range(1)).to(torch::kFloat32);
  const double irm_temperature = state.range(2) != 0 ? 0.5 : 0.4;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        ipirm::ops::partition_risk(in.z1, in.z2, in.weights, 0.5, irm_temperature, 0.5));
  }
}

BENCHMARK(partition_risk)
    ->ArgNames({"n", "K", "same_T"})
    ->ArgsProduct({{1024, 1437, 3096}, {2}, {1, 0}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();

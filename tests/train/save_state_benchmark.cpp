// What saving costs a run of ResNet-50, beside one of its steps: build/bin/save_state_benchmark.
//
// "save_state" is the time until the run goes on: the state is copied, a thread writes it. "step"
// is a minimization step at batch size 32 (the default of 256 takes 8 times as long).
#include <benchmark/benchmark.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <filesystem>

#include "ipirm/train/run_folder.h"
#include "ipirm/train/run_state.h"
#include "ipirm/train/state_store.h"
#include "ipirm/train/step.h"

namespace {

using namespace ipirm;

train::RunState resnet50() {
  torch::manual_seed(1);
  model::Model model(model::ModelOptions{});
  model::use_channels_last(*model);
  return {model,
          ops::Adam(model->parameters(), {.lr = 1e-3}),
          partition::PartitionSet(true, torch::kCPU),
          {}};
}

void step(benchmark::State& bench) {
  auto state = resnet50();
  const auto view = torch::randn({32, 3, 32, 32}).contiguous(torch::MemoryFormat::ChannelsLast);
  loss::LossOptions options;
  options.baseline = true;
  const auto step = train::make_step(options, {});
  for (auto _ : bench) {
    step->run(state.model, state.adam, {view, view});
  }
}

void save_state(benchmark::State& bench) {
  const auto path = std::filesystem::temp_directory_path() / "ipirm_save_state_benchmark";
  {
    auto state = resnet50();
    const train::RunFolder folder(path, train::ExistingRun::kOverwrite);
    train::StateStore store(path, train::parts_of(state));
    for (auto _ : bench) {
      store.save();
      bench.PauseTiming();
      store.finish();  // a run works on meanwhile
      bench.ResumeTiming();
    }
  }
  std::filesystem::remove_all(path);
}

void write_state(benchmark::State& bench) {  // the thread's own time
  const auto path = std::filesystem::temp_directory_path() / "ipirm_save_state_benchmark";
  {
    auto state = resnet50();
    const train::RunFolder folder(path, train::ExistingRun::kOverwrite);
    train::StateStore store(path, train::parts_of(state));
    for (auto _ : bench) {
      store.save();
      store.finish();
    }
  }
  std::filesystem::remove_all(path);
}

BENCHMARK(step)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(2);
BENCHMARK(save_state)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(4);
BENCHMARK(write_state)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(4);

}  // namespace

BENCHMARK_MAIN();

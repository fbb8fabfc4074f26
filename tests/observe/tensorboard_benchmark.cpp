// What --tensorboard costs a training step: the record of one, into a file on the disk.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "data/write_sets.h"
#include "ipirm/observe/event_files.h"
#include "ipirm/observe/tensorboard.h"

namespace ipirm::observe {
namespace {

// range(0): whether the step is one of those at which log.txt has a line, and memory is asked for.
void step(benchmark::State& state) {
  const test_sets::TempFolder folder;
  EventFiles files(folder.path());
  TensorBoard board([&](const std::string& event) { files.append(event); },
                    {.batch_size = 256, .device = torch::kCPU, .set = nullptr});
  train::StepRecord record;
  record.terms = {{"loss", 5.5}, {"contrastive", 5.25}, {"penalty", .125}};
  record.seconds = .018;
  record.log_due = state.range(0) != 0;
  for (auto _ : state) {
    ++record.step;
    board.step(record);
  }
}

BENCHMARK(step)->Arg(0)->Arg(1);

}  // namespace
}  // namespace ipirm::observe

BENCHMARK_MAIN();

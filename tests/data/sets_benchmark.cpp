// Images of Shapes a second by two threads, coloured ones of Fashion-MNIST by one, and how long
// opening that takes (it is read from data/, where scripts/download.sh puts it).
// Run: build/bin/sets_benchmark
#include <benchmark/benchmark.h>

#include <thread>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"

namespace ipirm::data {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kImages = 20000;

DataSets open_shapes() {
  return open_data_sets(
      {.dataset = DataSetKind::kShapes, .shapes_train = kImages, .shapes_test = 5000});
}

// Every image once, shared out to two threads.
void read_all(const ImageSet& set) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&set, t] {
      std::vector<uint8_t> scratch;
      for (int64_t i = t; i < set.size(); i += kThreads)
        benchmark::DoNotOptimize(set.image(i, scratch).pixels);
    });
  }
  for (auto& thread : threads) thread.join();
}

// 20,000 images of a set just opened, which traces each of the 480 scenes once.
void shapes_first_epoch(benchmark::State& state) {
  for (auto _ : state) read_all(*open_shapes().train);
  state.SetItemsProcessed(state.iterations() * kImages);
}

void shapes_later_epochs(benchmark::State& state) {
  const DataSets sets = open_shapes();
  read_all(*sets.train);
  for (auto _ : state) read_all(*sets.train);
  state.SetItemsProcessed(state.iterations() * kImages);
}

const DataOptions kFashion = {
    .dataset = DataSetKind::kFashionMnist, .colours = 10, .colour_noise = 80};

void fashion_mnist_open(benchmark::State& state) try {
  for (auto _ : state) benchmark::DoNotOptimize(open_data_sets(kFashion).train);
} catch (const core::UserError& error) {
  state.SkipWithError(error.what());
}

void fashion_mnist_images(benchmark::State& state) try {
  const DataSets sets = open_data_sets(kFashion);
  std::vector<uint8_t> scratch;
  int64_t i = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(sets.train->image(i++ % sets.train->size(), scratch).pixels);
  state.SetItemsProcessed(state.iterations());
} catch (const core::UserError& error) {
  state.SkipWithError(error.what());
}

BENCHMARK(shapes_first_epoch)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(shapes_later_epochs)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(fashion_mnist_open)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(fashion_mnist_images)->UseRealTime();

}  // namespace
}  // namespace ipirm::data

int main(int argc, char** argv) {
  ipirm::core::set_log_level(ipirm::core::LogLevel::kWarning);  // one line for each opening else
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}

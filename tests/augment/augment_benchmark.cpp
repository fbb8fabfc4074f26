// Views a second on one core, whole and step by step. Run: build/bin/augment_benchmark
#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "augment/operations.h"
#include "ipirm/augment/recipe.h"

namespace ipirm::augment {
namespace {

constexpr int kSize = 32;

// Pictures of smooth noise, in the memory layout of STL (columns one after the other) or of CIFAR
// (rows).
class Set {
 public:
  Set(int side, bool column_major) : side_(side), column_major_(column_major) {
    core::KeyedRandom random(1, core::Purpose::kColoredDigits, 0);
    bytes_.resize(kNumber * pixels() * 3);
    uint8_t level = 0;
    for (auto& byte : bytes_) byte = level = static_cast<uint8_t>(level + random.below(31) - 15);
  }
  data::Image image(int64_t i) const {
    const ptrdiff_t plane = static_cast<ptrdiff_t>(pixels());
    return {bytes_.data() + static_cast<size_t>(i % kNumber) * pixels() * 3,
            side_,
            side_,
            plane,
            column_major_ ? 1 : side_,
            column_major_ ? side_ : 1};
  }

 private:
  // 55 MB at 96x96: beyond the caches, as a training set is.
  static constexpr int64_t kNumber = 2000;
  size_t pixels() const { return static_cast<size_t>(side_) * static_cast<size_t>(side_); }
  int side_;
  bool column_major_;
  std::vector<uint8_t> bytes_;
};

const Set& stl() {
  static const Set set(96, true);
  return set;
}
const Set& cifar() {
  static const Set set(32, false);
  return set;
}

ViewDraw draw_of(int64_t i, const data::Image& image) {
  core::KeyedRandom random(1, core::Purpose::kTrainView, 1, static_cast<uint64_t>(i));
  return draw_view(random, AugmentOptions(), image.height, image.width);
}

void view(benchmark::State& state, const Set& set, bool channels_last) {
  std::vector<float> out(3 * kSize * kSize);
  const data::ViewOut to =
      channels_last ? data::ViewOut{out.data(), 1, 3} : data::ViewOut{out.data(), kSize * kSize, 1};
  int64_t i = 0;
  for (auto _ : state) {
    const data::Image image = set.image(i);
    make_view(image, draw_of(i++, image), kSize, to);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void crop(benchmark::State& state, const Set& set) {
  Workspace workspace;
  const Planes planes = workspace.square(kSize);
  int64_t i = 0;
  for (auto _ : state) {
    const data::Image image = set.image(i);
    const ViewDraw draw = draw_of(i++, image);
    crop_resize(image, {draw.top, draw.left, draw.height, draw.width}, draw.flip, workspace,
                planes);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void step(benchmark::State& state,
          const std::function<void(const Planes&, Workspace&, float*)>& apply) {
  Workspace workspace;
  const Planes planes = workspace.square(kSize);
  const data::Image image = cifar().image(0);
  std::vector<float> out(3 * kSize * kSize);
  crop_resize(image, {0, 0, 32, 32}, false, workspace, planes);
  for (auto _ : state) {
    apply(planes, workspace, out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void plain_view(benchmark::State& state) {
  std::vector<float> out(3 * 96 * 96);
  int64_t i = 0;
  for (auto _ : state) {
    make_plain_view(stl().image(i++), {out.data(), 96 * 96, 1});
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void draw_only(benchmark::State& state) {
  int64_t i = 0;
  const data::Image image = cifar().image(0);
  for (auto _ : state) {
    ViewDraw draw = draw_of(i++, image);
    benchmark::DoNotOptimize(draw);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(view, stl, stl(), false)->Name("View/96x96_column_major");
BENCHMARK_CAPTURE(view, stl_last, stl(), true)->Name("View/96x96_column_major/channels_last");
BENCHMARK_CAPTURE(view, cifar, cifar(), false)->Name("View/32x32_planar");
BENCHMARK(plain_view)->Name("PlainView/96x96_column_major");
BENCHMARK(draw_only)->Name("Step/draw");
BENCHMARK_CAPTURE(crop, stl, stl())->Name("Step/draw_and_crop/96x96_column_major");
BENCHMARK_CAPTURE(crop, cifar, cifar())->Name("Step/draw_and_crop/32x32_planar");
BENCHMARK_CAPTURE(step, brightness, [](auto& p, auto&, float*) { adjust_brightness(p, 1.01); })
    -> Name("Step/brightness");
BENCHMARK_CAPTURE(step, contrast, [](auto& p, auto&, float*) { adjust_contrast(p, 1.01); })
    -> Name("Step/contrast");
BENCHMARK_CAPTURE(step, saturation, [](auto& p, auto&, float*) { adjust_saturation(p, 1.01); })
    -> Name("Step/saturation");
BENCHMARK_CAPTURE(step, hue, [](auto& p, auto&, float*) { adjust_hue(p, 0.05); })
    -> Name("Step/hue");
BENCHMARK_CAPTURE(step, grayscale, [](auto& p, auto&, float*) { to_grayscale(p); })
    -> Name("Step/grayscale");
BENCHMARK_CAPTURE(step, blur, [](auto& p, auto& w, float*) { gaussian_blur(p, 1.0, w); })
    -> Name("Step/blur");
BENCHMARK_CAPTURE(step, normalise, [](auto& p, auto&, float* out) {
  write_view(p, {out, kSize * kSize, 1});
}) -> Name("Step/normalise");

}  // namespace
}  // namespace ipirm::augment

BENCHMARK_MAIN();

// Maps indices to factors and factors to images, with one traced scene for all its hues.
#include "data/shapes.h"

#include <c10/util/Exception.h>

#include <array>
#include <mutex>
#include <utility>

#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"

namespace ipirm::data {
namespace {

constexpr uint64_t kSetSeed = 480000;  // a different seed is a different data set
constexpr uint64_t kOrderStream = 0;
constexpr size_t kNumScenes = size_t{kNumSceneScales} * kNumSceneShapes * kNumSceneOrientations;

// The scenes' light, each traced once by the thread that needs it first.
class Scenes {
 public:
  const SceneLight& light(const SceneFactors& factors) {
    const auto number = static_cast<size_t>((factors.scale * kNumSceneShapes + factors.shape) *
                                                kNumSceneOrientations +
                                            factors.orientation);
    std::call_once(traced_[number], [&] {
      lights_[number] = std::make_unique<SceneLight>(
          trace_scene(factors.scale, factors.shape, factors.orientation));
    });
    return *lights_[number];
  }

 private:
  std::array<std::once_flag, kNumScenes> traced_;
  std::array<std::unique_ptr<SceneLight>, kNumScenes> lights_;
};

class Shapes : public ImageSet {
 public:
  Shapes(std::vector<int64_t> combinations, std::shared_ptr<Scenes> scenes)
      : combinations_(std::move(combinations)),
        scenes_(std::move(scenes)),
        factors_{{"shape", kNumSceneShapes, {}},  {"floor_hue", kNumSceneHues, {}},
                 {"wall_hue", kNumSceneHues, {}}, {"object_hue", kNumSceneHues, {}},
                 {"scale", kNumSceneScales, {}},  {"orientation", kNumSceneOrientations, {}}} {
    for (const int64_t combination : combinations_) {
      const auto f = shapes_factors(combination);
      size_t place = 0;
      for (const int value :
           {f.shape, f.floor_hue, f.wall_hue, f.object_hue, f.scale, f.orientation})
        factors_[place++].values.push_back(value);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(combinations_.size()); }

  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    const auto factors = shapes_factors(combinations_[static_cast<size_t>(i)]);
    scratch.resize(3 * kShapesPixels);
    colour_scene(scenes_->light(factors), factors, scratch.data());
    return {scratch.data(), kShapesSide, kShapesSide, kShapesPixels, kShapesSide, 1};
  }

  const std::vector<Factor>& factors() const override { return factors_; }

 private:
  std::vector<int64_t> combinations_;
  std::shared_ptr<Scenes> scenes_;
  std::vector<Factor> factors_;
};

}  // namespace

SceneFactors shapes_factors(int64_t index) {
  TORCH_CHECK_INDEX(index >= 0 && index < kNumShapesCombinations, "combination ", index, " of ",
                    kNumShapesCombinations);
  const auto take = [&](int values) {
    const auto value = static_cast<int>(index % values);
    index /= values;
    return value;
  };
  SceneFactors factors = {};
  factors.orientation = take(kNumSceneOrientations);
  factors.shape = take(kNumSceneShapes);
  factors.scale = take(kNumSceneScales);
  factors.object_hue = take(kNumSceneHues);
  factors.wall_hue = take(kNumSceneHues);
  factors.floor_hue = take(kNumSceneHues);
  return factors;
}

DataSets make_shapes(int64_t num_train, int64_t num_test) {
  if (num_train < 1 || num_test < 1 || num_train > kNumShapesCombinations - num_test) {
    throw core::UserError(core::cat("--shapes_train ", num_train, " and --shapes_test ", num_test,
                                    ": expected at least 1 of each, and no more than ",
                                    kNumShapesCombinations,
                                    " together, which are all combinations of the factors"));
  }
  const auto order = core::permutation(
      core::KeyedRandom(kSetSeed, core::Purpose::kShapes, kOrderStream), kNumShapesCombinations);
  const auto scenes = std::make_shared<Scenes>();
  const auto train = std::make_shared<Shapes>(
      std::vector<int64_t>(order.begin(), order.begin() + num_train), scenes);
  const auto test =
      std::make_shared<Shapes>(std::vector<int64_t>(order.end() - num_test, order.end()), scenes);
  return {train, train, test};
}

}  // namespace ipirm::data

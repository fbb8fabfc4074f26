// Shapes: rendered images with six known factors, made on demand from their index.
#pragma once

#include "data/shapes_scene.h"
#include "ipirm/data/image_set.h"

namespace ipirm::data {

// Every combination of the factors once.
constexpr int64_t kNumShapesCombinations = int64_t{kNumSceneHues} * kNumSceneHues * kNumSceneHues *
                                           kNumSceneScales * kNumSceneShapes *
                                           kNumSceneOrientations;

// Combination number index = ((((floor * 10 + wall) * 10 + object) * 8 + scale) * 4 + shape) * 15 +
// orientation, 0 <= index < kNumShapesCombinations.
SceneFactors shapes_factors(int64_t index);

// Images of 64x64 with the factors "shape" (the class), "floor_hue", "wall_hue", "object_hue",
// "scale" and "orientation". A permutation by a fixed seed puts the combinations into an order:
// train is the first num_train of it and test the last num_test, so that a set of another size has
// the same images as far as it goes. A scene's light is traced when it is first asked for, and kept
// (12 MB for all). Throws UserError unless both are at least 1 and no combination is in both parts.
DataSets make_shapes(int64_t num_train, int64_t num_test);

}  // namespace ipirm::data

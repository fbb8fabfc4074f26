// The scene of Shapes: an object on the floor of a room, seen by a camera that walks round it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ipirm::data {

constexpr int kShapesSide = 64;  // pixels
constexpr size_t kShapesPixels = size_t{kShapesSide} * kShapesSide;

constexpr int kNumSceneHues = 10;          // k is k/10 of a turn, of floor, wall and object
constexpr int kNumSceneScales = 8;         // .75 to 1.25 in equal steps
constexpr int kNumSceneShapes = 4;         // cube, cylinder, sphere, capsule
constexpr int kNumSceneOrientations = 15;  // the camera's azimuth, -30 to 30 degrees in equal steps

// A combination of the six factors.
struct SceneFactors {
  int floor_hue, wall_hue, object_hue, scale, shape, orientation;
};

// How much light each pixel gets from each surface: the sum over its 4x4 rays of a brightness of
// 0..256, so that the three surfaces have at most kFullLight together. It does not depend on the
// hues.
constexpr int kFullLight = 16 * 256;
struct SceneLight {
  using Plane = std::array<uint16_t, kShapesPixels>;  // row-major, from the upper left
  Plane floor, wall, object;
};

// Traces the rays; some milliseconds. Sums, products, quotients and roots of doubles alone, which
// IEEE 754 fixes to the last bit: the same numbers on every machine.
SceneLight trace_scene(int scale, int shape, int orientation);

// The image of a scene with these hues, three planes R, G, B of kShapesPixels bytes.
void colour_scene(const SceneLight& light, const SceneFactors& factors, uint8_t* planes);

}  // namespace ipirm::data

// Shapes: every combination once, the same bytes on every machine, and pictures that show what the
// factors say.
#include "data/shapes.h"

#include <array>
#include <cmath>
#include <set>

#include "data/expectations.h"

namespace ipirm::data {
namespace {

uint64_t hashed(const uint8_t* bytes, size_t size, uint64_t hash = 0xCBF29CE484222325u) {
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001B3u;
  return hash;
}

std::vector<uint8_t> drawn(const SceneFactors& f) {
  std::vector<uint8_t> planes(3 * kShapesPixels);
  colour_scene(trace_scene(f.scale, f.shape, f.orientation), f, planes.data());
  return planes;
}

TEST(Shapes, TheIndexCountsTheLastFactorFastest) {
  EXPECT_EQ(kNumShapesCombinations, 480000);
  int64_t index = 0;
  for (int f : {0, 3, 9}) {
    for (int w : {0, 5, 9}) {
      for (int o : {0, 1, 9}) {
        for (int s : {0, 7}) {
          for (int t = 0; t < 4; ++t) {
            for (int a : {0, 2, 14}) {
              index = ((((int64_t{f} * 10 + w) * 10 + o) * 8 + s) * 4 + t) * 15 + a;
              const auto found = shapes_factors(index);
              EXPECT_EQ((std::array{found.floor_hue, found.wall_hue, found.object_hue, found.scale,
                                    found.shape, found.orientation}),
                        (std::array{f, w, o, s, t, a}));
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(index, kNumShapesCombinations - 1);
  EXPECT_THROW(shapes_factors(kNumShapesCombinations), c10::IndexError);
  EXPECT_THROW(shapes_factors(-1), c10::IndexError);
}

// A new value here is a new data set. Arithmetic that is not IEEE's to the last bit shows here too.
TEST(Shapes, EveryPixelIsFrozen) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (int64_t k = 0; k < 240; ++k) {
    const auto planes = drawn(shapes_factors(k * 1999 % kNumShapesCombinations));
    hash = hashed(planes.data(), planes.size(), hash);
  }
  EXPECT_EQ(hash, 394823105284573856u);
}

TEST(Shapes, PartsAndFactors) {
  const DataSets sets = make_shapes(3000, 1500), longer = make_shapes(5000, 700);
  ASSERT_EQ(sets.train->size(), 3000);
  ASSERT_EQ(sets.test->size(), 1500);
  EXPECT_EQ(sets.labelled, sets.train);
  const std::array names = {"shape", "floor_hue", "wall_hue", "object_hue", "scale", "orientation"};
  const std::array sizes = {4, 10, 10, 10, 8, 15};
  std::set<std::vector<int64_t>> seen;
  for (const auto* set : {sets.train.get(), sets.test.get()}) {
    ASSERT_EQ(set->factors().size(), names.size());
    for (size_t f = 0; f < names.size(); ++f) {
      const auto& factor = set->factors()[f];
      EXPECT_EQ(factor.name, names[f]);
      EXPECT_EQ(factor.num_values, sizes[f]);
      ASSERT_EQ(static_cast<int64_t>(factor.values.size()), set->size());
      std::vector<double> counts(static_cast<size_t>(sizes[f]), 0);
      for (const int64_t v : factor.values) ++counts.at(static_cast<size_t>(v));
      const double mean = static_cast<double>(set->size()) / sizes[f];
      for (const double count : counts) EXPECT_NEAR(count, mean, 5 * std::sqrt(mean));
    }
    for (size_t i = 0; i < static_cast<size_t>(set->size()); ++i) {
      std::vector<int64_t> combination;
      for (const auto& factor : set->factors()) combination.push_back(factor.values[i]);
      seen.insert(combination);
    }
  }
  EXPECT_EQ(seen.size(), 4500u);  // no combination twice, in one part or in both
  for (size_t f = 0; f < names.size(); ++f) {
    const auto &train = sets.train->factors()[f].values, &more = longer.train->factors()[f].values;
    EXPECT_TRUE(std::equal(train.begin(), train.end(), more.begin()));
    const auto &test = sets.test->factors()[f].values, &fewer = longer.test->factors()[f].values;
    EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), test.end() - 700));
  }
}

TEST(Shapes, TheImageIsThatOfItsFactors) {
  const DataSets sets = make_shapes(40, 10);
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < 40; ++i) {
    const auto of = [&](size_t f) {
      return static_cast<int>(sets.train->factors()[f].values[static_cast<size_t>(i)]);
    };
    const auto expected = drawn({of(1), of(2), of(3), of(4), of(0), of(5)});
    EXPECT_EQ(num_wrong(*sets.train, i, kShapesSide,
                        [&](int c, int y, int x) {
                          return int{expected[static_cast<size_t>((c * 64 + y) * 64 + x)]};
                        }),
              0);
  }
  EXPECT_THROW(sets.train->image(40, scratch), c10::IndexError);
}

TEST(Shapes, SizesThatDoNotFitAreRefused) {
  EXPECT_EQ(make_shapes(479999, 1).train->size(), 479999);
  expect_user_error([] { make_shapes(479999, 2); }, {"--shapes_train 479999", "480000"});
  expect_user_error([] { make_shapes(0, 2); }, {"--shapes_train 0", "at least 1"});
}

// The hue of a surface colours its own pixels and no others.
TEST(Shapes, EachHueColoursItsSurface) {
  for (int shape = 0; shape < 4; ++shape) {
    const SceneLight light = trace_scene(4, shape, 9);
    const std::array<const SceneLight::Plane*, 3> planes = {&light.floor, &light.wall,
                                                            &light.object};
    SceneFactors factors = {0, 0, 0, 4, shape, 9};
    const auto before = drawn(factors);
    const std::array<int*, 3> hue = {&factors.floor_hue, &factors.wall_hue, &factors.object_hue};
    for (size_t s = 0; s < 3; ++s) {
      *hue[s] = 5;  // from red to cyan, whose light is in the other two channels
      const auto after = drawn(factors);
      *hue[s] = 0;
      for (size_t p = 0; p < kShapesPixels; ++p) {
        const int lit = (*planes[s])[p], seen = (lit * 255 + kFullLight / 2) / kFullLight;
        ASSERT_EQ(after[p + kShapesPixels], seen);
        ASSERT_EQ(before[p + kShapesPixels], 0);
        if (lit == 0) {
          ASSERT_EQ(before[p], after[p]);
        }
      }
    }
  }
}

// Pixels that the object covers at least half, and how far they reach.
struct Extent {
  int pixels = 0, left = 64, right = -1, top = 64, bottom = -1;
};

Extent extent_of(const SceneLight& light) {
  Extent extent;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const auto p = static_cast<size_t>(64 * y + x);
      if (light.object[p] == 0 || light.floor[p] + light.wall[p] > light.object[p]) continue;
      ++extent.pixels;
      extent.left = std::min(extent.left, x), extent.right = std::max(extent.right, x);
      extent.top = std::min(extent.top, y), extent.bottom = std::max(extent.bottom, y);
    }
  }
  return extent;
}

TEST(Shapes, ScaleAndShapeAreSeen) {
  std::array<double, 4> filled = {};  // share of the box round the object that it covers
  for (int shape = 0; shape < 4; ++shape) {
    int before = 0;
    for (int scale = 0; scale < kNumSceneScales; ++scale) {
      const Extent extent = extent_of(trace_scene(scale, shape, 7));
      EXPECT_GT(extent.pixels, before) << "shape " << shape << ", scale " << scale;
      before = extent.pixels;
      EXPECT_TRUE(extent.left > 0 && extent.right < 63 && extent.top > 0 && extent.bottom < 63);
      EXPECT_NEAR(extent.left + extent.right, 63, 2);  // in the middle
    }
    const Extent e = extent_of(trace_scene(7, shape, 7));
    const int width = e.right - e.left + 1, height = e.bottom - e.top + 1;
    filled[static_cast<size_t>(shape)] = e.pixels / static_cast<double>(width * height);
    if (shape == 2) {
      EXPECT_NEAR(width, height, 1);
    } else if (shape == 3) {
      EXPECT_GT(height, 1.5 * width);
    }
  }
  EXPECT_NEAR(filled[2], .785, .05);  // a disc
  EXPECT_NEAR(filled[1], .875, .02);  // a cylinder, whose two round ends leave four corners free
}

// The corner of the two walls, the one place where the wall's light changes along the upper row.
TEST(Shapes, TheOrientationMovesTheCornerOfTheRoom) {
  std::vector<int> corner;
  for (int a = 0; a < kNumSceneOrientations; ++a) {
    const SceneLight light = trace_scene(0, 2, a);
    int changes = 0, at = -1;
    for (size_t x = 1; x < 64; ++x) {
      if (std::abs(light.wall[x] - light.wall[x - 1]) > 50) ++changes, at = static_cast<int>(x);
    }
    if (changes > 0) corner.push_back(at);
    EXPECT_LE(changes, 2);
    EXPECT_GE(changes, 1) << "orientation " << a;
  }
  for (size_t k = 1; k < corner.size(); ++k) EXPECT_NE(corner[k], corner[k - 1]);
  EXPECT_TRUE(std::is_sorted(corner.begin(), corner.end()) ||
              std::is_sorted(corner.rbegin(), corner.rend()));
}

// The light comes from behind the camera's right shoulder: the shadow lies behind the ball, to the
// left.
TEST(Shapes, TheShadowFallsAwayFromTheLight) {
  const SceneLight light = trace_scene(7, 2, 7);
  int left = 0, right = 0;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const auto p = static_cast<size_t>(64 * y + x);
      const bool floor_alone = light.floor[p] > 0 && light.object[p] == 0 && light.wall[p] == 0;
      if (floor_alone && light.floor[p] < kFullLight / 2) ++(x < 32 ? left : right);
    }
  }
  EXPECT_GT(left, 20);
  EXPECT_GT(left, 1.5 * right);
}

}  // namespace
}  // namespace ipirm::data

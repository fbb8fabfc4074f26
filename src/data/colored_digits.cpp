// Draws the ColoredDigits images, in integer arithmetic: every machine gets the same bytes.
#include "data/colored_digits.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "data/digits_8x8.h"
#include "data/hues.h"
#include "ipirm/core/keyed_random.h"

namespace ipirm::data {
namespace {

constexpr uint64_t kSetSeed = 1797;  // a different seed is a different data set
// The generator's `epoch`: one has a stream for each digit, the other one for the split.
constexpr uint64_t kDrawStream = 0;
constexpr uint64_t kSplitStream = 1;
constexpr int kNumTrain = 1437;
constexpr int kGlyphSide = 26;  // pixels
constexpr int kMargin = (kColoredSide - kGlyphSide) / 2;
constexpr uint32_t kNoise = 81;  // values 0..80
constexpr int kUnit = 2048;      // 1 in fixed point
constexpr int kMaxInk = 16;
constexpr size_t kPixels = kColoredSide * kColoredSide;

using Glyph = std::array<int, kGlyphSide * kGlyphSide>;  // intensity 0..255
using Pixels = std::array<uint8_t, 3 * kPixels>;         // planes R, G, B

// Cubic convolution (Keys 1981, a = -1/2) from 8 to 26 points: point i is the sum of weight[k]
// times source point first + k, where points beyond an end repeat the last one.
struct CubicTap {
  int first;
  std::array<int, 4> weight;  // in 1/kUnit, sum kUnit
};

CubicTap cubic_tap(int i) {
  const double position = (i + 0.5) * 8 / kGlyphSide - 0.5, t = position - std::floor(position);
  const auto in_units = [](double w) { return static_cast<int>(std::lround(w * kUnit)); };
  CubicTap tap = {static_cast<int>(std::floor(position)) - 1, {}};
  tap.weight[0] = in_units(t * (-0.5 + t * (1.0 - 0.5 * t)));
  tap.weight[2] = in_units(t * (0.5 + t * (2.0 - 1.5 * t)));
  tap.weight[3] = in_units(t * t * (-0.5 + 0.5 * t));
  tap.weight[1] = kUnit - tap.weight[0] - tap.weight[2] - tap.weight[3];
  return tap;
}

Glyph enlarge(const std::array<uint8_t, 64>& ink) {
  static const auto taps = [] {
    std::array<CubicTap, kGlyphSide> taps_of_pixels;
    for (int i = 0; i < kGlyphSide; ++i) taps_of_pixels[static_cast<size_t>(i)] = cubic_tap(i);
    return taps_of_pixels;
  }();
  Glyph glyph;
  size_t out = 0;
  for (const auto& row : taps) {
    for (const auto& column : taps) {
      int sum = 0;
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 4; ++c) {
          const int y = std::clamp(row.first + r, 0, 7), x = std::clamp(column.first + c, 0, 7);
          sum += row.weight[static_cast<size_t>(r)] * column.weight[static_cast<size_t>(c)] *
                 ink[static_cast<size_t>(8 * y + x)];
        }
      }
      glyph[out++] = std::clamp(sum / kUnit * 255 / (kMaxInk * kUnit), 0, 255);
    }
  }
  return glyph;
}

struct ColoredDigit {
  int hue;
  Pixels pixels;
};

ColoredDigit draw(int i, const Digit8x8& source) {
  core::KeyedRandom random(kSetSeed, core::Purpose::kColoredDigits, kDrawStream,
                           static_cast<uint64_t>(i));
  ColoredDigit result;
  result.hue = static_cast<int>(random.below(kNumHues));
  for (auto& value : result.pixels) value = static_cast<uint8_t>(random.below(kNoise));
  const auto colour = hue_colour(result.hue, kNumHues);
  const Glyph glyph = enlarge(source.ink);
  for (size_t c = 0; c < 3; ++c) {
    for (size_t p = 0; p < glyph.size(); ++p) {
      const size_t y = kMargin + p / kGlyphSide, x = kMargin + p % kGlyphSide;
      auto& value = result.pixels[c * kPixels + y * kColoredSide + x];
      value = static_cast<uint8_t>(std::min(255, value + glyph[p] * colour[c] / 255));
    }
  }
  return result;
}

class ColoredDigits : public ImageSet {
 public:
  ColoredDigits() : factors_{{"digit", 10, {}}, {"colour", kNumHues, {}}} {}

  void add(int i) {
    const Digit8x8 source = digit_8x8(i);
    const ColoredDigit drawn = draw(i, source);
    images_.push_back(drawn.pixels);
    factors_[0].values.push_back(source.digit);
    factors_[1].values.push_back(drawn.hue);
  }

  int64_t size() const override { return static_cast<int64_t>(images_.size()); }

  Image image(int64_t i, std::vector<uint8_t>&) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    const uint8_t* pixels = images_[static_cast<size_t>(i)].data();
    return {pixels, kColoredSide, kColoredSide, static_cast<ptrdiff_t>(kPixels), kColoredSide, 1};
  }

  const std::vector<Factor>& factors() const override { return factors_; }

 private:
  std::vector<Pixels> images_;
  std::vector<Factor> factors_;
};

}  // namespace

DataSets make_colored_digits() {
  const auto order = core::permutation(
      core::KeyedRandom(kSetSeed, core::Purpose::kColoredDigits, kSplitStream), kNumDigits);
  const auto train = std::make_shared<ColoredDigits>(), test = std::make_shared<ColoredDigits>();
  for (size_t i = 0; i < order.size(); ++i)
    (i < kNumTrain ? train : test)->add(static_cast<int>(order[i]));
  return {train, train, test};
}

}  // namespace ipirm::data

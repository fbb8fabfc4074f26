// Colours of equal steps round the colour circle, in integers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>

namespace ipirm::data {

using Rgb = std::array<int, 3>;  // 0..255 each

// The saturated colour at hue/num_hues of a turn, 0 <= hue < num_hues: red at 0, green at 1/3, blue
// at 2/3, linear between.
inline Rgb hue_colour(int hue, int num_hues) {
  const int sixth = num_hues, turn = 6 * sixth;  // in units of 1/(6 num_hues) of a turn
  Rgb rgb;
  for (int c = 0; c < 3; ++c) {
    // How far the hue is from the channel's own, either way round.
    const int apart = std::abs(hue * 6 - 2 * sixth * c), distance = std::min(apart, turn - apart);
    rgb[static_cast<size_t>(c)] = std::clamp(2 * sixth - distance, 0, sixth) * 255 / sixth;
  }
  return rgb;
}

}  // namespace ipirm::data

// A small image set for the tests: noisy images whose colour is their class and whose brightness is
// a second factor.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image_set.h"

namespace ipirm::test {

// Image i is of class i mod 3: its red, green or blue is high. Interleaved, side x side.
class ToySet : public data::ImageSet {
 public:
  ToySet(int64_t size, uint64_t seed, int side = 16) : side_(side) {
    factors_ = {{"hue", 3, {}}, {"light", 2, {}}};
    core::KeyedRandom random(seed, core::Purpose::kColoredDigits, 0);
    for (int64_t i = 0; i < size; ++i) {
      const int64_t hue = i % 3, light = (i / 3) % 2;
      factors_[0].values.push_back(hue);
      factors_[1].values.push_back(light);
      for (int p = 0; p < 3 * side * side; ++p)
        pixels_.push_back(
            static_cast<uint8_t>(random.below(20) + 80 * light + (p % 3 == hue ? 130 : 0)));
    }
  }
  int64_t size() const override { return static_cast<int64_t>(factors_[0].values.size()); }
  data::Image image(int64_t i, std::vector<uint8_t>&) const override {
    return {pixels_.data() + i * 3 * side_ * side_,
            side_,
            i == odd_one ? side_ - 1 : side_,
            1,
            3 * side_,
            3};
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }

  std::vector<data::Factor> factors_;
  int64_t odd_one = -1;  // this image is one column narrower

 private:
  int side_;
  std::vector<uint8_t> pixels_;
};

}  // namespace ipirm::test

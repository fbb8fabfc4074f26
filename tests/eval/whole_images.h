// An image set of pictures in sizes of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image_set.h"

namespace ipirm::test {

// Image i is of class i mod 3, interleaved, of random pixels.
class WholeImages : public data::ImageSet {
 public:
  explicit WholeImages(int64_t size) : factors_{{"label", 3, {}}} {
    core::KeyedRandom random(1, core::Purpose::kColoredDigits, 0);
    for (int64_t i = 0; i < size; ++i) {
      factors_[0].values.push_back(i % 3);
      const int height = 5 + static_cast<int>(random.below(40)),
                width = 5 + static_cast<int>(random.below(40));
      auto& pixels = pixels_.emplace_back(static_cast<size_t>(3 * height * width));
      for (auto& pixel : pixels) pixel = static_cast<uint8_t>(random.below(256));
      images_.push_back({pixels.data(), height, width, 1, 3 * ptrdiff_t{width}, 3});
    }
  }
  int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  data::Image image(int64_t i, std::vector<uint8_t>&) const override {
    return images_[static_cast<size_t>(i)];
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }
  bool differing_sizes() const override { return true; }

 private:
  std::vector<data::Factor> factors_;
  std::vector<std::vector<uint8_t>> pixels_;
  std::vector<data::Image> images_;
};

}  // namespace ipirm::test

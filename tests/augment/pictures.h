// Pictures for the augmentation tests, filled from golden arrays or at random.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "augment/operations.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/data/image.h"

namespace ipirm::augment {

struct Picture {
  Picture(int height_in, int width_in)
      : height(height_in),
        width(width_in),
        bytes(3 * static_cast<size_t>(height_in) * static_cast<size_t>(width_in)) {}

  int height, width;
  std::vector<uint8_t> bytes;  // planar, row-major

  Planes planes() {
    const ptrdiff_t n = static_cast<ptrdiff_t>(height) * width;
    return {bytes.data(), bytes.data() + n, bytes.data() + 2 * n, height, width};
  }
  data::Image image() const {
    return {bytes.data(), height, width, static_cast<ptrdiff_t>(height) * width, width, 1};
  }
  // (height, width, 3) uint8, as the golden arrays are.
  torch::Tensor tensor() const {
    return torch::from_blob(const_cast<uint8_t*>(bytes.data()), {3, height, width}, torch::kUInt8)
        .permute({1, 2, 0})
        .contiguous();
  }
};

inline Picture picture_of(const torch::Tensor& interleaved) {
  Picture result(static_cast<int>(interleaved.size(0)), static_cast<int>(interleaved.size(1)));
  const auto planar = interleaved.permute({2, 0, 1}).contiguous();
  std::copy_n(planar.data_ptr<uint8_t>(), result.bytes.size(), result.bytes.begin());
  return result;
}

inline core::KeyedRandom test_random(uint64_t number) {
  return core::KeyedRandom(7, core::Purpose::kTrainView, 0, number);
}

inline Picture random_picture(core::KeyedRandom& random, int height, int width) {
  Picture result(height, width);
  for (auto& byte : result.bytes) byte = static_cast<uint8_t>(random.bits() >> 24);
  return result;
}

// The largest difference in levels of 255.
inline int max_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kInt32) - b.to(torch::kInt32)).abs().max().item<int>();
}

}  // namespace ipirm::augment

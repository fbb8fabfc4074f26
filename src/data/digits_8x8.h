// The 1,797 handwritten digits that ship inside the program (third_party/digits).
#pragma once

#include <array>
#include <cstdint>

namespace ipirm::data {

constexpr int kNumDigits = 1797;

struct Digit8x8 {
  std::array<uint8_t, 64> ink;  // 0..16, row-major
  int digit;                    // 0..9
};

// Digit i in the order of third_party/digits/digits.csv, 0 <= i < kNumDigits.
Digit8x8 digit_8x8(int i);

}  // namespace ipirm::data

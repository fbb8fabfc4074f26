// Unpacks the embedded digits.
#include "data/digits_8x8.h"

#include <c10/util/Exception.h>

namespace ipirm::data {
namespace {

constexpr int kRecord = 65;  // 64 letters a..q for 0..16, then the digit
constexpr char kDigits[] =
#include "data/digits_8x8.inc"
    ;
static_assert(sizeof(kDigits) == kNumDigits * kRecord + 1);

}  // namespace

Digit8x8 digit_8x8(int i) {
  TORCH_CHECK_INDEX(i >= 0 && i < kNumDigits, "digit ", i, " of ", kNumDigits);
  const char* record = kDigits + i * kRecord;
  Digit8x8 result;
  for (size_t p = 0; p < 64; ++p) result.ink[p] = static_cast<uint8_t>(record[p] - 'a');
  result.digit = record[64] - '0';
  return result;
}

}  // namespace ipirm::data

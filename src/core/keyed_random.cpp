// Philox4x32-10 and the distributions drawn from it.
#include "ipirm/core/keyed_random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::core {
namespace {

constexpr int kWordBits = 32;
constexpr int kHighSampleBits = KeyedRandom::kSampleBits - kWordBits;
static_assert(KeyedRandom::kEpochBits == kWordBits);
static_assert(kHighSampleBits + KeyedRandom::kViewBits + 8 * sizeof(Purpose) == kWordBits);

void require_bits(const char* what, uint64_t value, int bits) {
  if (value >> bits == 0) return;
  throw std::out_of_range(
      cat("random draws are numbered by ", what, "s of at most ", bits, " bits; found ", value));
}

}  // namespace

KeyedRandom::KeyedRandom(uint64_t seed, Purpose purpose, uint64_t epoch, uint64_t sample,
                         uint32_t view)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> kWordBits)},
      counter_{0, static_cast<uint32_t>(sample), static_cast<uint32_t>(epoch),
               (static_cast<uint32_t>(purpose) << (kHighSampleBits + kViewBits)) |
                   (view << kHighSampleBits) | static_cast<uint32_t>(sample >> kWordBits)} {
  require_bits("epoch", epoch, kEpochBits);
  require_bits("sample", sample, kSampleBits);
  require_bits("view", view, kViewBits);
}

void KeyedRandom::refill() {
  uint32_t c0 = counter_[0], c1 = counter_[1], c2 = counter_[2], c3 = counter_[3];
  uint32_t k0 = key_[0], k1 = key_[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  block_[0] = c0, block_[1] = c1, block_[2] = c2, block_[3] = c3;
  ++counter_[0];
  used_ = 0;
}

uint32_t KeyedRandom::bits() {
  if (used_ == 4) refill();
  return block_[used_++];
}

double KeyedRandom::uniform() {
  const uint64_t high = bits() >> 5, low = bits() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double KeyedRandom::uniform(double low, double high) { return low + (high - low) * uniform(); }

uint32_t KeyedRandom::below(uint32_t n) {
  // Lemire 2019: multiply, and reject the few low parts that would favour some values.
  uint64_t product = uint64_t{bits()} * n;
  const uint32_t threshold = (0u - n) % n;
  while (static_cast<uint32_t>(product) < threshold) product = uint64_t{bits()} * n;
  return static_cast<uint32_t>(product >> 32);
}

double KeyedRandom::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double KeyedRandom::log_gamma(double shape) {
  if (shape < 1.0) {  // Gamma(a) = Gamma(a + 1) U^(1/a)
    const double boosted = log_gamma(shape + 1.0);
    return boosted + std::log1p(-uniform()) / shape;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal(), v = std::pow(1.0 + c * x, 3.0);
    if (v > 0.0 && std::log1p(-uniform()) < 0.5 * x * x + d - d * v + d * std::log(v))
      return std::log(d * v);
  }
}

double KeyedRandom::beta(double a, double b) {
  const double log_x = log_gamma(a), log_y = log_gamma(b);
  if (std::isinf(log_x) && std::isinf(log_y)) return chance(a / (a + b)) ? 1.0 : 0.0;
  return 1.0 / (1.0 + std::exp(log_y - log_x));  // x / (x + y)
}

std::vector<int64_t> permutation(KeyedRandom random, int64_t n) {
  if (n < 0 || n > int64_t{UINT32_MAX})
    throw std::out_of_range(cat("a permutation of 0 to 2^32 - 1 numbers is drawn; found ", n));
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[random.below(static_cast<uint32_t>(i + 1))]);
  }
  return order;
}

}  // namespace ipirm::core

// Instructions of sm_80 that CUDA C++ has no names for, as ops/cuda/device_code.cuh names them:
// bfloat16 and float16 products on tensor cores, loads for them, asynchronous copies to shared
// memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cuda_host/block.h"

namespace cuda_host {

inline void check_aligned(const void* address, Place place, const char* what) {
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
    throw Fault(place.text() + ": " + what + " of an address that is no multiple of 16");
  }
}

inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
// bfloat16 of x, to nearest, ties to even; NaN stays NaN.
inline uint32_t bf16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (std::isnan(x)) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
// Two numbers in one register: the first in the lower half.
inline uint32_t pack_bf16(float low, float high) { return bf16_bits(low) | bf16_bits(high) << 16; }
inline float bf16_low(uint32_t pair) { return bits_to_float(pair << 16); }
inline float bf16_high(uint32_t pair) { return bits_to_float(pair & 0xffff0000u); }

// float16 of x, to nearest, ties to even; beyond its range infinite, NaN stays NaN.
inline uint32_t f16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const float size = std::fabs(x);
  if (std::isnan(x)) return sign | 0x7e00u;
  if (size >= 65520) return sign | 0x7c00u;
  if (size < std::ldexp(1.f, -14)) {  // denormal: multiples of 2^-24
    return sign | static_cast<uint32_t>(std::nearbyint(std::ldexp(size, 24)));
  }
  const uint32_t own = (bits & 0x7fffffffu) - (112u << 23);  // the exponent's bias: 127 - 15
  return sign | (own + 0xfffu + (own >> 13 & 1)) >> 13;
}
inline uint32_t pack_f16(float low, float high) { return f16_bits(low) | f16_bits(high) << 16; }
inline float f16_value(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                     : exponent == 31
                         ? (fraction == 0 ? INFINITY : NAN)
                         : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return (bits & 0x8000u) != 0 ? -size : size;
}
// All values of float16, since each product asks for them.
inline const float* f16_values() {
  static const std::vector<float> values = [] {
    std::vector<float> all;
    for (uint32_t bits = 0; bits < 0x10000u; ++bits) all.push_back(f16_value(bits));
    return all;
  }();
  return values.data();
}
inline float f16_low(uint32_t pair) { return f16_values()[pair & 0xffffu]; }
inline float f16_high(uint32_t pair) { return f16_values()[pair >> 16]; }

inline float exp2_fast(float x) { return std::exp2(x); }

// mma.m16n8k16: d += a b, a (16, 16) by rows, b (16, 8) by columns, d in float32. Of lane 4g + t, a
// holds rows g and g + 8, b column g, d rows g and g + 8 in columns 2t and 2t + 1. product(x, y):
// what two registers of two numbers each add.
template <class Product>
void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Place place,
         const Product& product) {
  struct Operands {
    uint32_t a[4], b[2];
  };
  Operands own;
  std::memcpy(own.a, a, sizeof own.a);
  std::memcpy(own.b, b, sizeof own.b);
  Block& block = Block::current();
  const auto& slots = block.show(~0u, own, place, "mma");
  const int g = block.lane() / 4, t = block.lane() % 4;
  for (int quad = 0; quad < 4; ++quad) {  // lanes that share a row of a and a column of b
    const auto rows = slots.template get<Operands>(4 * g + quad);
    for (int c = 0; c < 2; ++c) {
      const auto column = slots.template get<Operands>(4 * (2 * t + c) + quad);
      for (int half = 0; half < 2; ++half) {  // rows g and g + 8
        float& sum = d[2 * half + c];
        for (int k = 0; k < 2; ++k) sum += product(rows.a[half + 2 * k], column.b[k]);  // 0-7, 8-15
      }
    }
  }
}
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                     Place place = Place::here()) {
  mma(d, a, b, place, [](uint32_t x, uint32_t y) {
    return bf16_low(x) * bf16_low(y) + bf16_high(x) * bf16_high(y);
  });
}
inline void mma_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                    Place place = Place::here()) {
  const float* const value = f16_values();
  mma(d, a, b, place, [value](uint32_t x, uint32_t y) {
    return value[x & 0xffffu] * value[y & 0xffffu] + value[x >> 16] * value[y >> 16];
  });
}

// ldmatrix.x4: four 8x8 matrices of 16-bit numbers. Lane 8i + r names row r of matrix i; each lane
// receives two neighbours of row lane / 4 of every matrix.
inline void ldmatrix_x4(unsigned (&r)[4], const void* row, Place place = Place::here()) {
  check_aligned(row, place, "ldmatrix");
  Block& block = Block::current();
  const auto& slots = block.show(~0u, row, place, "ldmatrix");
  const int lane = block.lane();
  for (int i = 0; i < 4; ++i) {
    const auto* from = static_cast<const char*>(slots.get<const void*>(8 * i + lane / 4));
    std::memcpy(&r[i], from + lane % 4 * 4, 4);
  }
}

// cp.async of 16 bytes, of which those from `bytes` on become 0 and are not read. What is copied
// arrives at the wait, and until then the target holds poison.
inline void cp_async_16(void* to, const void* from, int bytes = 16, Place place = Place::here()) {
  check_aligned(to, place, "cp.async");
  if (bytes > 0) check_aligned(from, place, "cp.async");
  std::memset(to, kPoison, 16);
  Block::current().copies().back().push_back({to, from, static_cast<size_t>(bytes)});
}
inline void cp_async_commit() { Block::current().copies().emplace_back(); }
// Waits until at most the newest `kGroups` groups of this thread's copies are under way.
template <int kGroups>
void cp_async_wait(Place place = Place::here()) {
  if (SyncSites::of_process().leaves_out(place)) return;
  auto& groups = Block::current().copies();
  while (groups.size() > kGroups + 1) {
    for (const AsyncCopy& copy : groups.front()) {
      if (copy.bytes > 0) std::memcpy(copy.to, copy.from, copy.bytes);
      std::memset(static_cast<char*>(copy.to) + copy.bytes, 0, 16 - copy.bytes);
    }
    groups.erase(groups.begin());
  }
}

}  // namespace cuda_host

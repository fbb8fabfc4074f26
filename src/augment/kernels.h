// The inner loops of the image operations, compiled once an instruction set and chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ipirm::augment {

inline constexpr int kWeightBits = 22;  // 32 - 8 bits of a pixel - 2 of headroom, as in Pillow
inline constexpr int kLowBits = 11;     // of a weight's low half

// One direction of a resize: output o is the sum of number[o] inputs from first[o] on, weighted
// with weight[o * stride], weight[o * stride + 1] ... in units of 2^-kWeightBits. The same weights
// two by two, as 16-bit halves (low 16 bits: the first of the two): pair[o * stride] holds the high
// parts (weight >> kLowBits) of taps 0 and 1, the next one their low parts, then those of taps 2
// and 3 ... stride is even; an odd last tap is paired with 0.
struct TapsView {
  int outputs = 0;
  int stride = 0;
  const int32_t* first = nullptr;
  const int32_t* number = nullptr;
  const int32_t* weight = nullptr;
  const int32_t* pair = nullptr;
};

// Every set computes the same bytes: the arithmetic is integer, or float and double without fused
// multiply-add. Planes are row-major without gaps; `n` counts pixels. Nothing is read or written
// outside the stated ranges.
struct Kernels {
  const char* name;  // "baseline", "avx2"

  // Weighted sums of lines: out[o * out_stride + i] = rounded sum over t of weight_t * in[(first +
  // t) * in_stride + i], for 0 <= i < lanes. Strides may be negative. in and out must not overlap.
  void (*resample)(const uint8_t* in, ptrdiff_t in_stride, int lanes, const TapsView& taps,
                   uint8_t* out, ptrdiff_t out_stride);
  // out[column * out_stride + row] = in[row * in_stride + column]. in and out must not overlap.
  void (*transpose)(const uint8_t* in, ptrdiff_t in_stride, int rows, int columns, uint8_t* out,
                    ptrdiff_t out_stride);
  // Each value v becomes base + factor * (v - base), clipped to 0..255 and truncated. |factor| <
  // 100.
  void (*blend_with_constant)(uint8_t* values, int n, int base, float factor);
  // The same with each pixel's own luma as the base, in all three channels.
  void (*blend_with_luma)(uint8_t* red, uint8_t* green, uint8_t* blue, int n, float factor);
  // The sum of the pixels' luma.
  int64_t (*sum_luma)(const uint8_t* red, const uint8_t* green, const uint8_t* blue, int n);
  // All three channels become the luma.
  void (*to_luma)(uint8_t* red, uint8_t* green, uint8_t* blue, int n);
  // Adds `shift` (0..255) to the 8-bit hue, modulo 256.
  void (*shift_hue)(uint8_t* red, uint8_t* green, uint8_t* blue, int n, int shift);
  // Symmetric separable 3x3 filter with weights side, 256 - 2 side, side (of 256, side 0..128) and
  // mirrored borders; scratch holds height * width values.
  void (*blur)(uint8_t* plane, int height, int width, int side, uint16_t* scratch);
};

const Kernels& baseline_kernels();
// The kernels in AVX2, or null where the compiler or this processor has none.
const Kernels* avx2_kernels();
// The fastest set for this processor.
const Kernels& best_kernels();

}  // namespace ipirm::augment

// The one source of all kernel sets, included by kernels_*.cpp under the set's target.
//
// Plain loops that the compiler vectorises, and AVX2 by hand where it does that badly. Equal
// results on every instruction set rest on three things: integers, or floats that hold them
// exactly; IEEE operations in a fixed order elsewhere; no contraction of a product and a sum into
// one fused operation, which would round once instead of twice. No template, lambda or inline
// function from outside may be used here: code shared with other files must not be compiled for a
// newer processor.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "augment/kernels.h"

// The last three let selects be vectorised as minima and maxima; they change no value, as there is
// no NaN and as no zero's sign matters.
#pragma GCC optimize("O3", "fp-contract=off", "no-trapping-math", "finite-math-only", \
                     "no-signed-zeros")

namespace ipirm::augment::IPIRM_KERNEL_SET {
namespace {

// --- Resize -------------------------------------------------------------------------------------

constexpr int32_t kHalf = 1 << (kWeightBits - 1);
constexpr int kLanes = 16;

#ifdef IPIRM_KERNEL_AVX2
// Sixteen lanes of one output line. A 22-bit weight is split into a high and a low half, so that
// one 16-bit multiply-and-add takes two taps: exact, and far cheaper than 32-bit products.
inline void resample_block(const uint8_t* in, ptrdiff_t in_stride, int number, const int32_t*,
                           const int32_t* pair, uint8_t* out) {
  __m256i high_0 = _mm256_setzero_si256(), high_1 = high_0;
  __m256i low_0 = _mm256_set1_epi32(kHalf), low_1 = low_0;
  for (int t = 0; t < number; t += 2, in += 2 * in_stride, pair += 2) {
    // Where the number is odd, the second weight of the last pair is 0.
    const uint8_t* next = t + 1 < number ? in + in_stride : in;
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(next));
    const __m256i first = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
    const __m256i second = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
    const __m256i high = _mm256_set1_epi32(pair[0]), low = _mm256_set1_epi32(pair[1]);
    high_0 = _mm256_add_epi32(high_0, _mm256_madd_epi16(first, high));
    high_1 = _mm256_add_epi32(high_1, _mm256_madd_epi16(second, high));
    low_0 = _mm256_add_epi32(low_0, _mm256_madd_epi16(first, low));
    low_1 = _mm256_add_epi32(low_1, _mm256_madd_epi16(second, low));
  }
  const __m256i sum_0 = _mm256_add_epi32(_mm256_slli_epi32(high_0, kLowBits), low_0);
  const __m256i sum_1 = _mm256_add_epi32(_mm256_slli_epi32(high_1, kLowBits), low_1);
  const __m256i words =
      _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_srli_epi32(sum_0, kWeightBits),
                                                   _mm256_srli_epi32(sum_1, kWeightBits)),
                               0xD8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(out),
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
#else
inline void resample_block(const uint8_t* in, ptrdiff_t in_stride, int number,
                           const int32_t* weight, const int32_t*, uint8_t* out) {
  int32_t sum[kLanes];
  for (int i = 0; i < kLanes; ++i) sum[i] = kHalf;
  for (int t = 0; t < number; ++t, in += in_stride) {
    for (int i = 0; i < kLanes; ++i) sum[i] += weight[t] * in[i];
  }
  for (int i = 0; i < kLanes; ++i) out[i] = static_cast<uint8_t>(sum[i] >> kWeightBits);
}
#endif

// The weights of an output are positive and add up to 1 within a few units, so a sum needs no
// clipping.
void resample(const uint8_t* in, ptrdiff_t in_stride, int lanes, const TapsView& taps, uint8_t* out,
              ptrdiff_t out_stride) {
  for (int o = 0; o < taps.outputs; ++o, out += out_stride) {
    const uint8_t* line = in + taps.first[o] * in_stride;
    const int32_t* weight = taps.weight + static_cast<ptrdiff_t>(o) * taps.stride;
    const int32_t* pair = taps.pair + static_cast<ptrdiff_t>(o) * taps.stride;
    const int number = taps.number[o];
    if (lanes >= kLanes) {
      int i = 0;
      for (; i + kLanes <= lanes; i += kLanes) {
        resample_block(line + i, in_stride, number, weight, pair, out + i);
      }
      // The last block reaches back over lanes that are done: nothing beyond the line is touched.
      i = lanes - kLanes;
      if (lanes % kLanes != 0) resample_block(line + i, in_stride, number, weight, pair, out + i);
    } else {
      for (int i = 0; i < lanes; ++i) {
        int32_t sum = kHalf;
        for (int t = 0; t < number; ++t) sum += weight[t] * line[t * in_stride + i];
        out[i] = static_cast<uint8_t>(sum >> kWeightBits);
      }
    }
  }
}

// --- Transpose ----------------------------------------------------------------------------------

typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint16_t Pairs __attribute__((vector_size(16)));
typedef uint32_t Quads __attribute__((vector_size(16)));
typedef uint64_t Halves __attribute__((vector_size(16)));

inline Bytes load_8(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, 8);
  return (Bytes)(Halves){value, 0};
}

inline void store_2x8(Quads columns, uint8_t* first, uint8_t* second) {
  const Halves halves = (Halves)columns;
  const uint64_t a = halves[0], b = halves[1];
  std::memcpy(first, &a, 8);
  std::memcpy(second, &b, 8);
}

#define IPIRM_LOW_BYTES(a, b) \
  (Pairs) __builtin_shuffle(a, b, (Bytes){0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23})
#define IPIRM_LOW_PAIRS(a, b) (Quads) __builtin_shuffle(a, b, (Pairs){0, 8, 1, 9, 2, 10, 3, 11})
#define IPIRM_HIGH_PAIRS(a, b) (Quads) __builtin_shuffle(a, b, (Pairs){4, 12, 5, 13, 6, 14, 7, 15})
#define IPIRM_LOW_QUADS(a, b) __builtin_shuffle(a, b, (Quads){0, 4, 1, 5})
#define IPIRM_HIGH_QUADS(a, b) __builtin_shuffle(a, b, (Quads){2, 6, 3, 7})

inline void transpose_8x8(const uint8_t* in, ptrdiff_t s, uint8_t* out, ptrdiff_t d) {
  const Pairs r01 = IPIRM_LOW_BYTES(load_8(in), load_8(in + s));
  const Pairs r23 = IPIRM_LOW_BYTES(load_8(in + 2 * s), load_8(in + 3 * s));
  const Pairs r45 = IPIRM_LOW_BYTES(load_8(in + 4 * s), load_8(in + 5 * s));
  const Pairs r67 = IPIRM_LOW_BYTES(load_8(in + 6 * s), load_8(in + 7 * s));
  const Quads top_low = IPIRM_LOW_PAIRS(r01, r23), top_high = IPIRM_HIGH_PAIRS(r01, r23);
  const Quads bottom_low = IPIRM_LOW_PAIRS(r45, r67), bottom_high = IPIRM_HIGH_PAIRS(r45, r67);
  store_2x8(IPIRM_LOW_QUADS(top_low, bottom_low), out, out + d);
  store_2x8(IPIRM_HIGH_QUADS(top_low, bottom_low), out + 2 * d, out + 3 * d);
  store_2x8(IPIRM_LOW_QUADS(top_high, bottom_high), out + 4 * d, out + 5 * d);
  store_2x8(IPIRM_HIGH_QUADS(top_high, bottom_high), out + 6 * d, out + 7 * d);
}

void transpose(const uint8_t* in, ptrdiff_t in_stride, int rows, int columns, uint8_t* out,
               ptrdiff_t out_stride) {
  if (rows < 8 || columns < 8) {
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        out[column * out_stride + row] = in[row * in_stride + column];
      }
    }
    return;
  }
  // As in resample, the last block of a direction reaches back.
  for (int i = 0; i < rows; i += 8) {
    const int row = i + 8 <= rows ? i : rows - 8;
    for (int j = 0; j < columns; j += 8) {
      const int column = j + 8 <= columns ? j : columns - 8;
      transpose_8x8(in + row * in_stride + column, in_stride, out + column * out_stride + row,
                    out_stride);
    }
  }
}

// --- Colour -------------------------------------------------------------------------------------
// In float, a tile of pixels at a time: sums and products of 8-bit values with 16-bit weights stay
// below 2^24, exact.

constexpr int kTile = 64;

struct Tile {
  alignas(32) float red[kTile], green[kTile], blue[kTile];
};

#ifdef IPIRM_KERNEL_AVX2
inline void widen_tile(const uint8_t* in, float* out) {
  for (int i = 0; i < kTile; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + i));
    _mm256_store_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
  }
}

inline void narrow_tile(const float* in, uint8_t* out) {
  // Undoes what the packs do within 128-bit halves.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int i = 0; i < kTile; i += 32) {
    const __m256i a = _mm256_cvttps_epi32(_mm256_load_ps(in + i));
    const __m256i b = _mm256_cvttps_epi32(_mm256_load_ps(in + i + 8));
    const __m256i c = _mm256_cvttps_epi32(_mm256_load_ps(in + i + 16));
    const __m256i d = _mm256_cvttps_epi32(_mm256_load_ps(in + i + 24));
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm256_permutevar8x32_epi32(bytes, order));
  }
}
#else
inline void widen_tile(const uint8_t* in, float* out) {
  for (int i = 0; i < kTile; ++i) out[i] = static_cast<float>(in[i]);
}

inline void narrow_tile(const float* in, uint8_t* out) {
  for (int i = 0; i < kTile; ++i) {
    float value = in[i];
    value = value > 0.0f ? value : 0.0f;
    value = value < 255.0f ? value : 255.0f;
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(value));
  }
}
#endif

// `count` bytes as floats; a short tile is filled up with zeros.
inline void widen(const uint8_t* in, int count, float* out) {
  if (count >= kTile) return widen_tile(in, out);
  uint8_t padded[kTile] = {};
  std::memcpy(padded, in, static_cast<size_t>(count));
  widen_tile(padded, out);
}

// Clips to 0..255 and truncates; |value| < 2^15.
inline void narrow(const float* in, int count, uint8_t* out) {
  if (count >= kTile) return narrow_tile(in, out);
  uint8_t padded[kTile];
  narrow_tile(in, padded);
  std::memcpy(out, padded, static_cast<size_t>(count));
}

inline void widen(const uint8_t* red, const uint8_t* green, const uint8_t* blue, int count,
                  Tile& tile) {
  widen(red, count, tile.red);
  widen(green, count, tile.green);
  widen(blue, count, tile.blue);
}

inline void narrow(const Tile& tile, int count, uint8_t* red, uint8_t* green, uint8_t* blue) {
  narrow(tile.red, count, red);
  narrow(tile.green, count, green);
  narrow(tile.blue, count, blue);
}

// ITU-R 601 luma in 16-bit fixed point, Pillow's L.
inline int32_t luma(float red, float green, float blue) {
  return static_cast<int32_t>((red * 19595.0f + green * 38470.0f + blue * 7471.0f + 32768.0f) *
                              0x1p-16f);
}

void blend_with_constant(uint8_t* values, int n, int base, float factor) {
  alignas(32) float tile[kTile];
  const float from = static_cast<float>(base);
  for (int start = 0; start < n; start += kTile) {
    widen(values + start, n - start, tile);
    for (int i = 0; i < kTile; ++i) tile[i] = from + factor * (tile[i] - from);
    narrow(tile, n - start, values + start);
  }
}

void blend_with_luma(uint8_t* red, uint8_t* green, uint8_t* blue, int n, float factor) {
  Tile tile;
  for (int start = 0; start < n; start += kTile) {
    widen(red + start, green + start, blue + start, n - start, tile);
    for (int i = 0; i < kTile; ++i) {
      const float from = static_cast<float>(luma(tile.red[i], tile.green[i], tile.blue[i]));
      tile.red[i] = from + factor * (tile.red[i] - from);
      tile.green[i] = from + factor * (tile.green[i] - from);
      tile.blue[i] = from + factor * (tile.blue[i] - from);
    }
    narrow(tile, n - start, red + start, green + start, blue + start);
  }
}

int64_t sum_luma(const uint8_t* red, const uint8_t* green, const uint8_t* blue, int n) {
  Tile tile;
  int64_t sum = 0;
  for (int start = 0; start < n; start += kTile) {
    widen(red + start, green + start, blue + start, n - start, tile);  // zeros have luma zero
    int32_t part = 0;
    for (int i = 0; i < kTile; ++i) part += luma(tile.red[i], tile.green[i], tile.blue[i]);
    sum += part;
  }
  return sum;
}

void to_luma(uint8_t* red, uint8_t* green, uint8_t* blue, int n) {
  Tile tile;
  for (int start = 0; start < n; start += kTile) {
    widen(red + start, green + start, blue + start, n - start, tile);
    for (int i = 0; i < kTile; ++i) {
      tile.red[i] = static_cast<float>(luma(tile.red[i], tile.green[i], tile.blue[i]));
    }
    narrow(tile.red, n - start, red + start);
    narrow(tile.red, n - start, green + start);
    narrow(tile.red, n - start, blue + start);
  }
}

// The integer below 255 y, 0 <= y <= 1, without rounding of the product: 256 y - m is exact.
inline float below_255_times(float y) {
  const float m = static_cast<float>(static_cast<int32_t>(y * 255.0f));
  return m - (y * 256.0f - m < y ? 1.0f : 0.0f);
}

// One channel of value (1 - saturation * w), rounded, for saturation in 255ths and w in 85ths
// clipped to 0..85.
inline float faded(float value, float saturation, float w) {
  w = w > 0.0f ? w : 0.0f;
  w = w < 85.0f ? w : 85.0f;
  return value * (21675.0f - saturation * w) * (1.0f / 21675.0f) + 0.5f;
}

// Hue in turns, [0, 1], and saturation, [0, 1], before they become 8 bit; and value. Pillow's hue
// of a sector is a difference of two quotients of which one is 0 or 1: what remains is one quotient
// added to or taken from a whole number.
inline void rgb_to_hsv(const Tile& rgb, Tile& hsv) {
  for (int i = 0; i < kTile; ++i) {
    const float r = rgb.red[i], g = rgb.green[i], b = rgb.blue[i];
    const float gb_most = g > b ? g : b, gb_least = g > b ? b : g;
    const float most = r > gb_most ? r : gb_most, least = r < gb_least ? r : gb_least;
    const float middle = r + g + b - most - least, chroma = most - least;
    const float ratio = (most - middle) / (chroma > 1.0f ? chroma : 1.0f);
    float sector = g == most ? 2.0f : 4.0f, ahead = g == most ? r : g;
    sector = r == most ? 0.0f : sector;
    ahead = r == most ? b : ahead;
    const float sixths = ahead == least ? sector + 1.0f - ratio : sector - 1.0f + ratio;
    hsv.red[i] = sixths / 6.0f + (sixths < 0.0f ? 1.0f : 0.0f);
    hsv.green[i] = chroma / (most > 1.0f ? most : 1.0f);
    hsv.blue[i] = most;
  }
}

// Pillow's way back has six cases, which are one trapezoid of the hue, moved by a third of a turn
// from channel to channel.
inline void hsv_to_rgb(const Tile& hsv, Tile& rgb) {
  for (int i = 0; i < kTile; ++i) {
    const float x = hsv.red[i], saturation = hsv.green[i],
                value = hsv.blue[i];  // x in 85ths of a sector
    rgb.red[i] = faded(value, saturation, 170.0f - __builtin_fabsf(x - 255.0f));
    rgb.green[i] = faded(value, saturation, __builtin_fabsf(x - 170.0f) - 85.0f);
    rgb.blue[i] = faded(value, saturation, __builtin_fabsf(x - 340.0f) - 85.0f);
  }
}

// Equal to Pillow's 8-bit conversions on all 2^24 colours (tested). Three short loops: one long one
// would be bound by its chain of dependences.
void shift_hue(uint8_t* red, uint8_t* green, uint8_t* blue, int n, int shift) {
  Tile rgb, hsv;
  for (int start = 0; start < n; start += kTile) {
    widen(red + start, green + start, blue + start, n - start, rgb);
    rgb_to_hsv(rgb, hsv);
    for (int i = 0; i < kTile; ++i) {
      const int32_t hue = (static_cast<int32_t>(below_255_times(hsv.red[i])) + shift) & 255;
      hsv.red[i] = static_cast<float>(2 * hue);
      hsv.green[i] = below_255_times(hsv.green[i]);
    }
    hsv_to_rgb(hsv, rgb);
    narrow(rgb, n - start, red + start, green + start, blue + start);
  }
}

// --- Blur ---------------------------------------------------------------------------------------

inline void blur_lines(const uint16_t* __restrict above, const uint16_t* __restrict middle,
                       const uint16_t* __restrict below, int n, int side, uint8_t* __restrict out) {
  const int center = 256 - 2 * side;
  for (int i = 0; i < n; ++i) {
    out[i] =
        static_cast<uint8_t>((side * (above[i] + below[i]) + center * middle[i] + 0x8000) >> 16);
  }
}

// OpenCV's fixed-point Gaussian: 8.8 bits after the rows, 16.16 after the columns, rounded once.
// The plane is taken as one long line, for the sake of long loops; then what wrapped around at the
// rows' ends is put right.
void blur(uint8_t* plane, int height, int width, int side, uint16_t* __restrict scratch) {
  const int center = 256 - 2 * side, n = height * width;
  for (int i = 1; i < n - 1; ++i) {
    scratch[i] = static_cast<uint16_t>(side * (plane[i - 1] + plane[i + 1]) + center * plane[i]);
  }
  const int inward = width > 1 ? 1 : 0;
  for (int left = 0; left < n; left += width) {
    const int right = left + width - 1;
    scratch[left] = static_cast<uint16_t>(2 * side * plane[left + inward] + center * plane[left]);
    scratch[right] =
        static_cast<uint16_t>(2 * side * plane[right - inward] + center * plane[right]);
  }
  const uint16_t* last = scratch + n - width;
  const uint16_t* second = height > 1 ? scratch + width : scratch;
  const uint16_t* last_but_one = height > 1 ? last - width : last;
  blur_lines(second, scratch, second, width, side, plane);
  if (height > 2) {
    blur_lines(scratch, scratch + width, scratch + 2 * static_cast<ptrdiff_t>(width), n - 2 * width,
               side, plane + width);
  }
  blur_lines(last_but_one, last, last_but_one, width, side, plane + n - width);
}

}  // namespace

const Kernels kKernels = {
    IPIRM_KERNEL_NAME, resample,  transpose, blend_with_constant, blend_with_luma, sum_luma,
    to_luma,           shift_hue, blur};

}  // namespace ipirm::augment::IPIRM_KERNEL_SET

// The sweeps over all pairs of views, launched strip by strip: PairProducts' and MixupProducts' on
// the device, with pointers in the place of tensors.
#pragma once

#include "ops/cuda/pair_layout.cuh"
#include "ops/cuda/sweep_team.h"

namespace ipirm::ops::cuda {

// Whether no exponent or sum of exponentials leaves float32's range at this temperature, so that
// m = 0 will do. bound: the largest |z|² of a view.
__host__ __device__ inline bool exponents_are_safe(double bound, double inverse_temperature) {
  return bound * inverse_temperature < 22;
}

struct Features {
  const float *z1, *z2;    // (rows, dim)
  const int64_t* index;    // (n) the rows that count; null: all
  const int64_t* partner;  // (n) MixUp's partners among the samples; null: none
  int64_t rows, dim;
};

struct SampleMeasures {
  double* own;          // (view_stride) inner product of the sample's two views
  double* other;        // (view_stride) of its first view with its partner's second; may be null
  double* block_bound;  // (sample_blocks) the largest |z|² of a block's samples
};

inline constexpr int kSampleWarps = 8;
inline int sample_blocks(const PairLayout& layout) { return layout.view_stride() / kSampleWarps; }

// Features are multiplied as high + low parts in float16, which keeps 22 binary digits of each if
// it stays away from both ends of float16's range: they are scaled by 2^feature_exponent, so that
// the largest possible one is below 2^14. bound: the largest |z|² of a view.
__host__ __device__ inline int feature_exponent(double bound) {
  if (!(bound > 1e-21)) return 14 + 35;  // shorter than 2^-35: products are 0 to float32's eyes
  if (!(bound < 1e38)) return 14 - 63;   // infinite, say
  int exponent;
  frexp(sqrt(bound), &exponent);
  return 14 - exponent;
}
// What takes the scale out of a product again.
__host__ __device__ inline float product_scale(double bound) {
  return static_cast<float>(ldexp(1., -2 * feature_exponent(bound)));
}

// What a sweep gives each view, (groups * size, padded) each.
struct SweepSums {
  double* sum;      // over all samples, or over later ones where they are kept apart
  double* earlier;  // over earlier samples; null where they are not kept apart
};

// What slots may take of the device's memory, unless one row of tiles needs more.
inline constexpr size_t kPartsBytes = size_t{24} << 20;

// A batch's views on the device, ready for sweeps.
struct PairViews {
  PairLayout layout;
  ColumnGroups columns;
  const uint4* operands;
  const float* largest;  // (padded) as launch_largest leaves it
  const double* bound;
  size_t most_parts_bytes;
  float* parts;  // parts_bytes(...)
  cudaStream_t stream;
  const SweepTeam* team = nullptr;  // null: every tile is swept here
};

enum class Matrix { kE, kH };  // H = E∘S

struct Sweep {
  Receivers receivers;
  Matrix matrix;
  bool shift_by_receiver;
  double temperature;
  const float *to_later, *to_earlier;  // as in SweepTask
  SweepSums to;                        // both kinds where they shall be kept apart
};

// Memory for the slots of a batch's widest strip. Sweeps of one kind of views need the same,
// whichever kind it is.
size_t parts_bytes(const PairLayout& layout, const ColumnGroups& columns, Receivers receivers,
                   size_t most_bytes = kPartsBytes);

// Each returns the first error of its launches.
int launch_measures(const PairLayout& layout, const Features& features, const SampleMeasures& to,
                    cudaStream_t stream);
// operands (padded, chunks, kChunkVectors); bound: on the device.
int launch_split(const PairLayout& layout, const Features& features, const double* bound,
                 uint4* operands, cudaStream_t stream);
// largest (padded), where exponents are unsafe at the temperature: of kAll, max_j S_ij over all
// views j but i; of kRows, the first views' alone, over all second views. Otherwise 0. Receivers
// may not be kColumns.
int launch_largest(const PairViews& views, Receivers receivers, double lowest_temperature,
                   float* largest);
int launch_sweep(const PairViews& views, const Sweep& sweep);

}  // namespace ipirm::ops::cuda

// A batch's views as the tiles take them, and what each sample knows without other samples.
#pragma once

#include <stdexcept>

#include "ops/cuda/pair_sweeps.cuh"
#include "ops/cuda/row_sums.cuh"

namespace ipirm::ops::cuda {

// index[place], or place itself where there is none. One that is not 0..size-1 ends the kernel with
// an error of the device, as PyTorch's own index functions do.
__device__ inline int64_t chosen(const int64_t* index, int64_t place, int64_t size) {
  const int64_t row = index != nullptr ? index[place] : place;
  if (row < 0 || row >= size) {
#if defined(__CUDACC__)
    __trap();
#else
    throw std::out_of_range("an index beyond the rows it chooses from");
#endif
  }
  return row;
}

__device__ inline double sum_of_warp(double x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  return x;
}

// Grid: sample_blocks; a warp a sample.
__global__ void __launch_bounds__(32 * kSampleWarps)
    measure_samples(PairLayout layout, Features features, SampleMeasures to) {
  double* const bounds = dynamic_shared<double>();  // (kSampleWarps)
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int sample = static_cast<int>(blockIdx.x) * kSampleWarps + warp;
  const bool real = sample < layout.n, has_partner = real && features.partner != nullptr;
  const int64_t row = real ? chosen(features.index, sample, features.rows) : 0;
  const int64_t partner = has_partner ? chosen(features.partner, sample, layout.n) : 0;
  double norm1 = 0, norm2 = 0, own = 0, other = 0;
  for (int64_t k = lane; real && k < features.dim; k += 32) {
    const double first = features.z1[row * features.dim + k];
    const double second = features.z2[row * features.dim + k];
    norm1 += first * first;
    norm2 += second * second;
    own += first * second;
    if (has_partner) other += first * features.z2[partner * features.dim + k];
  }
  norm1 = sum_of_warp(norm1);
  norm2 = sum_of_warp(norm2);
  own = sum_of_warp(own);
  other = sum_of_warp(other);
  if (lane == 0) {
    to.own[sample] = own;
    if (to.other != nullptr) to.other[sample] = other;
    bounds[warp] = larger(norm1, norm2);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  double bound = bounds[0];
  for (int w = 1; w < kSampleWarps; ++w) bound = larger(bound, bounds[w]);
  to.block_bound[blockIdx.x] = bound;
}

// Feature `lane` of a chunk of a view, scaled.
__device__ inline void write_parts(uint4* chunk, int lane, float value) {
  unsigned short* const to = reinterpret_cast<unsigned short*>(chunk);
  const unsigned high = pack_f16(value, 0);
  to[lane] = static_cast<unsigned short>(high);
  to[kChunk + lane] = static_cast<unsigned short>(pack_f16(value - f16_low(high), 0));
}

// Grid: sample_blocks; a warp a sample. operands (padded, chunks, kChunkVectors): zeros in the
// padding.
__global__ void __launch_bounds__(32 * kSampleWarps)
    split_views(PairLayout layout, Features features, const double* bound, uint4* operands) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int sample = static_cast<int>(blockIdx.x) * kSampleWarps + warp;
  const bool real = sample < layout.n;
  const int64_t row = real ? chosen(features.index, sample, features.rows) : 0;
  const float scale = static_cast<float>(ldexp(1., feature_exponent(*bound)));
  for (int chunk = 0; chunk < layout.chunks; ++chunk) {
    const int64_t k = static_cast<int64_t>(chunk) * kChunk + lane;
    const bool inside = real && k < features.dim;
    const auto write = [&](int view, const float* z) {
      uint4* const to =
          operands + (static_cast<size_t>(view) * layout.chunks + chunk) * kChunkVectors;
      write_parts(to, lane, inside ? z[row * features.dim + k] * scale : 0);
    };
    write(sample, features.z1);
    write(layout.view_stride() + sample, features.z2);
  }
}

}  // namespace ipirm::ops::cuda

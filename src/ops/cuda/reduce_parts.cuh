// Sums over the slots that a strip's tiles have written, in one order.
#pragma once

#include "ops/cuda/pair_sweep_kernel.cuh"

namespace ipirm::ops::cuda {

// Grid: the strip's receiving blocks, columns; kTile threads. Adds to `to`, which the first strip
// writes.
__global__ void __launch_bounds__(kTile)
    reduce_parts(SweepTask task, int size, bool first, SweepSums to) {
  const Strip& strip = task.strip;
  const int block = strip.first_receiver() + static_cast<int>(blockIdx.x);
  const int column = static_cast<int>(blockIdx.y), view = static_cast<int>(threadIdx.x);
  const int view_blocks = strip.view_blocks, own = block % view_blocks;
  const auto part = [&](int slot) {
    const size_t of_group = static_cast<size_t>(column / size) * strip.slots() + slot;
    return static_cast<double>(task.parts[(of_group * size + column % size) * kTile + view]);
  };
  const Strip::Partners partners = strip.partners(block);
  double later = 0, earlier = 0;
  for (int p = 0; p < partners.count; ++p) {
    const int partner = partners.first_partner + p;
    const double sum = part(partners.first_slot + p);
    if (partner % view_blocks < own) {
      earlier += sum;
    } else {
      later += sum;
    }
    if (partner % view_blocks == own && task.by_position()) {
      earlier += part(strip.earlier_slot(block, partner));
    }
  }
  const size_t place = static_cast<size_t>(column) * task.layout.padded() + block * kTile + view;
  if (task.split) {
    to.sum[place] = (first ? 0 : to.sum[place]) + later;
    to.earlier[place] = (first ? 0 : to.earlier[place]) + earlier;
  } else {
    to.sum[place] = (first ? 0 : to.sum[place]) + (later + earlier);
  }
}

}  // namespace ipirm::ops::cuda

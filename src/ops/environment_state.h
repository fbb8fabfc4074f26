// What environment_loss knows of its environments, and what its forward pass leaves to the backward
// one.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <utility>
#include <vector>

#include "ops/environment_math.h"

namespace ipirm::ops {

// The shape of the state that a forward pass leaves, (3P + PK, 2B), in numbers or in symbols.
//
// Every implementation leaves a tensor of this shape and of float64, whether it has something to
// say or not: FakeTensor and torch.compile must know the shape before there are values and devices.
// So a state can't tell by whom it was left; each device's backward pass knows by its inputs what
// its forward pass did.
template <class Size>
std::array<Size, 2> environment_state_shape(const Size& num_partitions, int64_t num_env,
                                            const Size& batch) {
  return {num_partitions * (num_env + 3), batch * 2};
}

}  // namespace ipirm::ops

namespace ipirm::ops::fused {

// Sizes, ranks and memberships of the environments. P partitions, B samples, K environments.
struct Environments {
  Environments(const at::Tensor& environment, int64_t num_env)
      : p(environment.size(0)), b(environment.size(1)), k(num_env) {
    const auto contiguous = environment.contiguous();
    const int64_t* labels = contiguous.const_data_ptr<int64_t>();
    size.resize(static_cast<size_t>(p * k), 0);
    column.resize(static_cast<size_t>(p * b));
    rank.resize(static_cast<size_t>(p * b));
    for (int64_t entry = 0; entry < p * b; ++entry) {
      TORCH_CHECK(labels[entry] >= 0 && labels[entry] < k, "environment_loss: environment[",
                  entry / b, "][", entry % b, "] is ", labels[entry], "; expected 0..", k - 1);
      const auto i = static_cast<size_t>(entry);
      column[i] = entry / b * k + labels[entry];
      rank[i] = size[static_cast<size_t>(column[i])]++;
    }
  }
  int64_t views() const { return 2 * b; }
  // Where a sample of a partition stands in column and rank.
  size_t index(int64_t partition, int64_t sample) const {
    return static_cast<size_t>(partition * b + sample);
  }
  // How many samples the environment of sample i (an index()) has.
  int64_t size_of(size_t i) const { return size[static_cast<size_t>(column[i])]; }
  // The weight of each of its views in the environment's mean, w_i.
  double weight(size_t i) const { return 0.5 / static_cast<double>(size_of(i)); }
  // Where a view stands in rows of later samples of its environment (before) and of earlier ones,
  // in g (C, M): columns are positions (METHOD 4). -1: there are no such rows.
  int64_t position(size_t i, int64_t view, bool before) const {
    if (!before && rank[i] == 0) return -1;
    return column[i] * views() + column_position(size_of(i), rank[i], view, before);
  }

  int64_t p, b, k;
  // (C) how many samples a column has; C = PK, a column is an environment of a partition.
  std::vector<int64_t> size;
  // (P, B) a sample's column, and its number in it.
  std::vector<int64_t> column, rank;
};

// What the fused forward pass leaves, all double: D at T, D at T' and Q for each partition (P, M
// each), then g (C, M).
struct State {
  State(at::Tensor memory, const Environments& env)
      : tensor(std::move(memory)), data(tensor.data_ptr<double>()), m(env.views()), p(env.p) {}
  static at::Tensor allocate(const Environments& env) {
    return at::zeros(environment_state_shape(env.p, env.k, env.b), at::kDouble);
  }
  double* sum(int64_t partition) { return data + partition * m; }
  double* irm_sum(int64_t partition) { return data + (p + partition) * m; }
  double* row(int64_t partition) { return data + (2 * p + partition) * m; }
  double* g() { return data + 3 * p * m; }

  at::Tensor tensor;
  double* data;
  int64_t m, p;
};

}  // namespace ipirm::ops::fused

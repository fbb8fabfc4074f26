// What environment_loss knows of its environments, and what its forward pass leaves to the backward
// one.
#pragma once

#include <ATen/ATen.h>

#include <utility>
#include <vector>

namespace ipirm::ops::fused {

// Sizes, ranks and memberships of the environments.
struct Environments {
  Environments(const at::Tensor& environment, int64_t num_env)
      : p(environment.size(0)), b(environment.size(1)), k(num_env) {
    const auto contiguous = environment.contiguous();
    const int64_t* of = contiguous.const_data_ptr<int64_t>();
    size.resize(static_cast<size_t>(p * k), 0);
    column.resize(static_cast<size_t>(p * b));
    rank.resize(static_cast<size_t>(p * b));
    for (int64_t at = 0; at < p * b; ++at) {
      TORCH_CHECK(of[at] >= 0 && of[at] < k, "environment_loss: environment[", at / b, "][", at % b,
                  "] is ", of[at], "; expected 0..", k - 1);
      const auto i = static_cast<size_t>(at);
      column[i] = at / b * k + of[at];
      rank[i] = size[static_cast<size_t>(column[i])]++;
    }
  }
  int64_t views() const { return 2 * b; }
  size_t at(int64_t partition, int64_t sample) const {
    return static_cast<size_t>(partition * b + sample);
  }
  int64_t size_at(size_t i) const { return size[static_cast<size_t>(column[i])]; }
  double weight(size_t i) const { return 0.5 / static_cast<double>(size_at(i)); }
  // Where a view stands in rows of later samples of its environment (before) and of earlier ones,
  // in g (C, M): columns are positions (METHOD 4). -1: there are no such rows.
  int64_t position(size_t i, int64_t view, bool before) const {
    if (!before && rank[i] == 0) return -1;
    const int64_t place =
        view == 0 ? rank[i] + (before ? 1 : 0) : size_at(i) + rank[i] - (before ? 0 : 1);
    return column[i] * views() + place;
  }

  int64_t p, b, k;
  std::vector<int64_t> size;          // (C) samples
  std::vector<int64_t> column, rank;  // (P, B) a sample's column, and its number in it
};

// What the forward pass leaves, all double: (3P + C, M): D at T, D at T' and Q for each partition,
// then g.
struct State {
  State(at::Tensor memory, const Environments& env)
      : tensor(std::move(memory)), data(tensor.data_ptr<double>()), m(env.views()), p(env.p) {}
  static at::Tensor allocate(const Environments& env) {
    return at::zeros({3 * env.p + env.p * env.k, env.views()}, at::kDouble);
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

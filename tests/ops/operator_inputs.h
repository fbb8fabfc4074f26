// Random arguments for the operators' tests.
#pragma once

#include <torch/nn/functional/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace ipirm::ops {

// (n, d) rows of length 1.
inline torch::Tensor unit_rows(int64_t n, int64_t d, torch::ScalarType dtype = torch::kFloat64) {
  return torch::nn::functional::normalize(torch::randn({n, d}, torch::kFloat64)).to(dtype);
}

// What the three operators take between them.
struct OperatorInputs {
  torch::Tensor z1, z2;       // (n, d)
  torch::Tensor weights;      // (n, K) each row sums to 1
  torch::Tensor lam;          // (n) in [.5, 1]
  torch::Tensor partner;      // (n) int64, a permutation
  torch::Tensor environment;  // (P, n) int64, 0..K-1

  // The same with all numbers of another type, or elsewhere.
  OperatorInputs to(torch::ScalarType dtype) const {
    return {z1.to(dtype), z2.to(dtype), weights.to(dtype), lam.to(dtype), partner, environment};
  }
  OperatorInputs to(torch::Device device) const {
    return {z1.to(device),  z2.to(device),      weights.to(device),
            lam.to(device), partner.to(device), environment.to(device)};
  }
};

// In float64; the same for the same sizes.
inline OperatorInputs random_inputs(int64_t n, int64_t d, int64_t num_env,
                                    int64_t num_partitions = 1) {
  torch::manual_seed(n * 1000 + d * 100 + num_env * 10 + num_partitions);
  return {unit_rows(n, d),
          unit_rows(n, d),
          torch::randn({n, num_env}, torch::kFloat64).softmax(1),
          torch::rand(n, torch::kFloat64) / 2 + .5,
          torch::randperm(n),
          torch::randint(0, num_env, {num_partitions, n}, torch::kInt64)};
}

}  // namespace ipirm::ops

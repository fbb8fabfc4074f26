// The whole partition_risk of CUDA's kernels, run on the CPU by the host header, beside its
// definition in float64.
#include <gtest/gtest.h>

#include <string>

#include "cuda_host/left_out.h"
#include "cuda_host/plain_partition_risk.h"
#include "cuda_host/risk_found.h"
#include "ops/cuda/batch_sums.cu"
#include "ops/cuda/partition_risk.cu"

namespace ipirm::ops {
namespace {

// Of the batch's rows `index`, or of all.
Found run(const Batch& batch, const std::vector<float>& weights, int64_t k,
          const PlainSettings& settings, const std::vector<int64_t>& index = {}) {
  const int64_t n = index.empty() ? batch.n : int64_t(index.size());
  const cuda::PartitionRiskInputs in{batch.z1.data(),
                                     batch.z2.data(),
                                     index.empty() ? nullptr : index.data(),
                                     weights.data(),
                                     batch.n,
                                     n,
                                     batch.dim,
                                     k,
                                     settings.temperature,
                                     settings.irm_temperature,
                                     settings.irm_weight,
                                     settings.nonorm};
  Found out(n, k);
  // Scratch memory that nobody has written is NaN.
  std::vector<double> scratch(cuda::partition_risk_scratch(in) / sizeof(double), NAN);
  EXPECT_EQ(cuda::partition_risk(in, {out.contrastive.data(), out.penalty.data(), out.grad.data()},
                                 scratch.data(), nullptr),
            0);
  return out;
}

struct Case {
  int64_t n, dim, k;
  PlainSettings settings;
  double norm = 1;
};

void expect_definition(const Case& c) {
  SCOPED_TRACE("n " + std::to_string(c.n) + " d " + std::to_string(c.dim) + " K " +
               std::to_string(c.k) + " T " + std::to_string(c.settings.temperature) + " norm " +
               std::to_string(c.norm));
  const Batch batch(c.n, c.dim, c.norm);
  const auto weights = random_weights(c.n, c.k);
  const auto found = run(batch, weights, c.k, c.settings);
  expect_definition_of(PlainPartitionRisk(batch, c.settings), weights, c.k, found);
}

TEST(PartitionRiskOnCudaHost, IsThatOfTheDefinition) {
  for (const Case& c : cases_to_run<Case>({{2, 3, 2, {.5, .5, .7}},
                                           {40, 16, 1, {.5, .5, .7}},
                                           {129, 33, 2, {.2, .2, .5}},
                                           {130, 70, 3, {.07, .07, .5}},
                                           {60, 20, 4, {.5, .5, .5, true}},
                                           {50, 20, 5, {.5, .2, .7}},
                                           {30, 8, 8, {.2, .5, .7, true}},
                                           {45, 8, 2, {.01, .01, .5}},
                                           {50, 24, 2, {.5, .5, .5}, 6},
                                           {50, 24, 2, {.1, .1, .5}, .3},
                                           {40, 24, 2, {.5, .5, 0}},
                                           {40, 24, 2, {.5, .1, 0}}})) {
    expect_definition(c);
  }
}

TEST(PartitionRiskOnCudaHost, IndexChoosesRows) {
  const Batch batch(30, 10);
  std::vector<int64_t> index{29, 3, 3, 17, 0, 8, 22};
  Batch chosen = batch;
  chosen.n = int64_t(index.size());
  chosen.z1.clear();
  chosen.z2.clear();
  for (const int64_t i : index) {
    for (int64_t k = 0; k < batch.dim; ++k) {
      chosen.z1.push_back(batch.z1[size_t(i * batch.dim + k)]);
      chosen.z2.push_back(batch.z2[size_t(i * batch.dim + k)]);
    }
  }
  const auto weights = random_weights(chosen.n, 2);
  EXPECT_EQ(run(batch, weights, 2, {}, index), run(chosen, weights, 2, {}));
  index[4] = 30;
  EXPECT_THROW(run(batch, weights, 2, {}, index), std::out_of_range);
}

TEST(PartitionRiskOnCudaHost, EnvironmentsWithoutPairsHaveNoRisk) {
  const Batch batch(20, 8);
  std::vector<float> weights;
  for (int64_t i = 0; i < batch.n; ++i) {  // all samples, none, one
    weights.insert(weights.end(), {1.f, 0.f, i == 7 ? 1.f : 0.f});
  }
  const auto found = run(batch, weights, 3, {.5, .2, .7});
  EXPECT_GT(found.contrastive[0], 0);
  for (const size_t e : {1u, 2u}) {
    EXPECT_EQ(found.contrastive[e], 0);
    EXPECT_EQ(found.penalty[e], 0);
  }
  for (const float x : found.grad) EXPECT_TRUE(std::isfinite(x));
}

// The order of a block's threads changes no bit.
TEST(PartitionRiskOnCudaHost, DoesNotDependOnTheOrderOfThreads) {
  const Batch batch(70, 10, 2);
  const auto weights = random_weights(batch.n, 3);
  cuda_host::set_seed(0);
  const auto expected = run(batch, weights, 3, {.1, .5, .5});
  for (const unsigned seed : cases_to_run<unsigned>({1, 2, 3})) {
    cuda_host::set_seed(seed);
    EXPECT_EQ(run(batch, weights, 3, {.1, .5, .5}), expected);
  }
  cuda_host::set_seed(0);
}

// What partition_risk_launch.h says.
TEST(PartitionRiskOnCudaHost, TakesFewLaunches) {
  const Batch batch(20, 4);
  const auto launches = [&](int64_t k, const PlainSettings& settings) {
    const int64_t before = cuda_host::launches();
    run(batch, random_weights(batch.n, k), k, settings);
    return cuda_host::launches() - before;
  };
  EXPECT_EQ(launches(2, {.5, .5, .5}), 19);
  EXPECT_EQ(launches(9, {.5, .5, .5}), 19);
  EXPECT_EQ(launches(2, {.5, .2, .5}), 26);
}

// Three chunks of features, exponents that are relative.
TEST(PartitionRiskOnCudaHost, EveryBarrierAndWaitTakenOutShows) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "takes minutes under the address sanitizer, which looks for other faults";
#endif
  const Batch batch(40, 70);
  const auto weights = random_weights(batch.n, 2);
  cuda_host::expect_every_site_is_needed(
      {"batch_sums.cu", "largest_kernel.cuh", "pair_sweep_kernel.cuh", "row_sums.cuh",
       "split_views.cuh", "tile_products.cuh"},
      1, [&](size_t) {
        return run(batch, weights, 2, {.02, .02, .5});
      });
}

}  // namespace
}  // namespace ipirm::ops

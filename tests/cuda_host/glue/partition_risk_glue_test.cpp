// The partition risks with tensors by their CUDA kernels, which run on the CPU: beside the ATen
// form in float64 on the same inputs, alone and in several processes.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "ipirm/dist/check_alike.h"
#include "ipirm/train/search_team.h"
#include "ops/cuda/kernels.h"
#include "ops/expectations.h"
#include "ops/operator_inputs.h"
#include "ops/risk_implementations.h"
#include "support/ranks.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

// As kFloat32 (expectations.h), and far inside it.
constexpr Tolerances kKernels{3e-6, 1e-5, 3e-5};

Risk risk_of(const std::tuple<Tensor, Tensor, Tensor>& found) {
  const auto& [contrastive, penalty, grad] = found;
  return {contrastive, penalty, grad};
}

struct Settings {
  double temperature = .5, irm_temperature = .5, irm_weight = .7;
  bool nonorm = false;
};

void expect_aten(const OperatorInputs& in, const Settings& s,
                 const std::optional<Tensor>& index = std::nullopt, const TeamPointer& team = {}) {
  const auto narrow = in.to(torch::kFloat32), wide = narrow.to(torch::kFloat64);
  expect_close(
      risk_of(cuda::partition_risk_kernels(narrow.z1, narrow.z2, narrow.weights, s.temperature,
                                           s.irm_temperature, s.irm_weight, s.nonorm, index, team)),
      risk_of(aten::partition_risk(wide.z1, wide.z2, wide.weights, s.temperature, s.irm_temperature,
                                   s.irm_weight, s.nonorm, index)),
      kKernels);
}

void expect_aten_mixup(const OperatorInputs& in, const std::optional<Tensor>& partner,
                       const Settings& s, const TeamPointer& team = {}) {
  const auto narrow = in.to(torch::kFloat32), wide = narrow.to(torch::kFloat64);
  expect_close(risk_of(cuda::partition_risk_mixup_kernels(narrow.z1, narrow.z2, narrow.weights,
                                                          narrow.lam, partner, s.temperature,
                                                          s.irm_weight, s.nonorm, team)),
               risk_of(aten::partition_risk_mixup(wide.z1, wide.z2, wide.weights, wide.lam, partner,
                                                  s.temperature, s.irm_weight, s.nonorm)),
               kKernels);
}

TEST(PartitionRiskGlue, GiveWhatAtenGives) {
  expect_aten(random_inputs(50, 12, 2), {});
  expect_aten(random_inputs(300, 20, 3), {.1, .1, .5, false});
  expect_aten(random_inputs(40, 6, 5), {.5, .2, .5, true});
  expect_aten(random_inputs(32, 8, 2), {.01, .01, .5, false});
}

TEST(PartitionRiskGlue, TakeRowsByIndexAndAnyStrides) {
  auto in = random_inputs(20, 6, 2);
  for (auto* tensor : {&in.z1, &in.z2, &in.weights}) *tensor = tensor->t().contiguous().t();
  expect_aten(in, {});
  const auto index = torch::tensor({3, 0, 0, 19, 0, 7, 0, 7, 0}, torch::kInt64).slice(0, 0, 9, 2);
  in.weights = in.weights.slice(0, 0, 5);
  expect_aten(in, {}, index);
}

// All samples, none, one: the gradient too is what the ATen form has for them.
TEST(PartitionRiskGlue, EnvironmentsWithoutPairs) {
  auto in = random_inputs(12, 6, 3);
  in.weights = torch::zeros({12, 3}, torch::kFloat64);
  in.weights.select(1, 0).fill_(1);
  in.weights[7][2] = 1;
  expect_aten(in, {});
  expect_aten_mixup(in, std::nullopt, {});
  expect_aten_mixup(in, in.partner, {});
}

TEST(PartitionRiskGlue, GiveWhatAtenGivesUnderMixup) {
  for (const bool online : {false, true}) {
    for (const auto& s : {Settings{}, Settings{.1, 0, .5, true}, Settings{.5, 0, 0, false}}) {
      const auto in = random_inputs(140, 12, 3);
      expect_aten_mixup(in, online ? std::optional(in.partner) : std::nullopt, s);
    }
  }
}

// Each rank sweeps the rows of tiles that begin in its part: of the two rows of 50 samples one of
// three ranks has none.
TEST(PartitionRiskGlue, SeveralProcessesShareTheTiles) {
  ranks::run(3, [](dist::Group& group) {
    const auto team = train::team_of({&group, [](dist::Group*) {}});
    for (const int64_t n : {50, 200}) {
      const auto in = random_inputs(n, 12, 3);
      expect_aten(in, {}, std::nullopt, team);
      expect_aten(in, {.05, .02, .5, true}, std::nullopt, team);
      expect_aten_mixup(in, std::nullopt, {}, team);
      expect_aten_mixup(in, in.partner, {.1, 0, .5, true}, team);
      const auto narrow = in.to(torch::kFloat32);
      const auto found = cuda::partition_risk_kernels(narrow.z1, narrow.z2, narrow.weights, .5, .5,
                                                      .7, false, std::nullopt, team);
      dist::check_same(group, std::get<2>(found), "gradient");
    }
  });
}

TEST(PartitionRiskGlue, ManySamples) { expect_aten(random_inputs(1100, 16, 2), {.2, .2, .5}); }

}  // namespace
}  // namespace ipirm::ops

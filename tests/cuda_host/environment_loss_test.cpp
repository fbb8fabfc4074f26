// The CUDA kernels of environment_loss, run on the CPU: against the definition in float64, in
// several orders of threads, at the edges of their tiles, and with each of their barriers taken
// out.
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "cuda_host/left_out.h"
#include "cuda_host/plain_loss.h"
#include "ops/cuda/environment_loss.cu"

namespace ipirm::ops::cuda {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
// As kFloat32 in tests/ops/expectations.h, relative to the largest expected value, for logits of up
// to 100. Rounding, and so the error of an exponential, grows with the logits.
constexpr double kContrastive = 1e-5, kPenalty = 1e-4, kGradient = 3e-4, kLogits = 100;

struct Shape {
  int64_t batch, dim, partitions, num_env;
  double temperature = .5, irm_temperature = .5, length = 1;
};

struct Case {
  LossProblem plain;
  std::vector<float> z1, z2, grad_contrastive, grad_penalty;
  double length;  // of the rows of z1 and z2
};

// Rows of the given length; both sides have the same numbers.
Case make_case(const Shape& shape) {
  std::mt19937 random(static_cast<unsigned>(shape.batch * 1000 + shape.dim));
  std::normal_distribution<double> normal;
  const auto rows = [&](std::vector<float>& rounded) {
    Matrix out{shape.batch, shape.dim,
               std::vector<double>(static_cast<size_t>(shape.batch * shape.dim))};
    for (int64_t i = 0; i < shape.batch; ++i) {
      double square = 0;
      for (int64_t k = 0; k < shape.dim; ++k) square += std::pow(out.at(i, k) = normal(random), 2);
      for (int64_t k = 0; k < shape.dim; ++k) {
        rounded.push_back(static_cast<float>(out.at(i, k) * shape.length / std::sqrt(square)));
        out.at(i, k) = rounded.back();
      }
    }
    return out;
  };
  Case out;
  out.plain.z1 = rows(out.z1);
  out.plain.z2 = rows(out.z2);
  out.length = shape.length;
  for (int64_t i = 0; i < shape.partitions * shape.batch; ++i) {
    out.plain.environment.push_back(
        static_cast<int64_t>(random() % static_cast<unsigned>(shape.num_env)));
  }
  out.plain.partitions = shape.partitions;
  out.plain.num_env = shape.num_env;
  out.plain.temperature = shape.temperature;
  out.plain.irm_temperature = shape.irm_temperature;
  for (int64_t i = 0; i < shape.partitions * shape.num_env; ++i) {
    out.grad_contrastive.push_back(static_cast<float>(normal(random)));
    out.grad_penalty.push_back(static_cast<float>(normal(random)));
  }
  return out;
}

struct Found {
  std::vector<float> contrastive, penalty, grad_z1, grad_z2;
  bool operator==(const Found&) const = default;
};

// What the launchers compute. Memory is as large as they say and no larger, and full of NaN.
Found run(const Case& c) {
  const auto& in = c.plain;
  const auto count = [](int64_t n) { return static_cast<size_t>(n); };
  const EnvironmentLossInputs inputs = {c.z1.data(), c.z2.data(),    in.environment.data(),
                                        in.z1.rows,  in.z1.columns,  in.partitions,
                                        in.num_env,  in.temperature, in.irm_temperature};
  const std::vector<float> losses(count(in.partitions * in.num_env), kNan),
      gradients(c.z1.size(), kNan);
  Found out = {losses, losses, gradients, gradients};
  std::vector<double> state(count(in.partitions * (3 + in.num_env) * 2 * in.z1.rows), kNan);
  std::vector<float> scratch(count(environment_loss_forward_scratch(inputs)), kNan);
  EXPECT_EQ(environment_loss_forward(inputs, out.contrastive.data(), out.penalty.data(),
                                     state.data(), scratch.data(), nullptr),
            0);
  scratch.assign(count(environment_loss_backward_scratch(inputs)), kNan);
  EXPECT_EQ(environment_loss_backward(inputs, c.grad_contrastive.data(), c.grad_penalty.data(),
                                      state.data(), out.grad_z1.data(), out.grad_z2.data(),
                                      scratch.data(), nullptr),
            0);
  return out;
}

template <class A, class B>
double relative_error(const std::vector<A>& found, const std::vector<B>& expected) {
  double largest = 0, error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    const double off = std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
    error = off <= error ? error : off;  // NaN stays
  }
  return largest > 0 ? error / largest : error;
}

double total(const Case& c, const LossProblem& problem) {
  const auto losses = plain_losses(problem);
  double sum = 0;
  for (size_t i = 0; i < losses.contrastive.size(); ++i) {
    sum += c.grad_contrastive[i] * losses.contrastive[i] + c.grad_penalty[i] * losses.penalty[i];
  }
  return sum;
}

// Compares losses, and the gradient with central differences of the definition at some of its
// places, with those at the ends of tiles among them.
void expect_equals_the_definition(const Case& c, const Found& found) {
  const auto expected = plain_losses(c.plain);
  EXPECT_LT(relative_error(found.contrastive, expected.contrastive), kContrastive);
  EXPECT_LT(relative_error(found.penalty, expected.penalty), kPenalty);
  constexpr double kStep = 1e-6;
  constexpr size_t kPlaces = 6;
  const size_t size = c.z1.size();
  std::vector<double> differences, gradients;
  auto moved = c.plain;
  for (size_t n = 0; n < 2 * kPlaces; ++n) {
    auto& z = n % 2 == 0 ? moved.z1 : moved.z2;
    const size_t place = n / 2 * (size - 1) / (kPlaces - 1);
    const double value = z.values[place];
    const auto loss_at = [&](double x) {
      z.values[place] = x;
      return total(c, moved);
    };
    differences.push_back((loss_at(value + kStep) - loss_at(value - kStep)) / (2 * kStep));
    z.values[place] = value;
    gradients.push_back((n % 2 == 0 ? found.grad_z1 : found.grad_z2)[place]);
  }
  const double logits =
      c.length * c.length / std::min(c.plain.temperature, c.plain.irm_temperature);
  EXPECT_LT(relative_error(gradients, differences), kGradient * std::max(1., logits / kLogits));
  for (const auto* gradient : {&found.grad_z1, &found.grad_z2}) {
    for (const float value : *gradient) ASSERT_TRUE(std::isfinite(value));
  }
}

void expect_right_in_every_order(const Shape& shape, unsigned seeds = 3) {
  SCOPED_TRACE("B " + std::to_string(shape.batch) + ", d " + std::to_string(shape.dim) + ", P " +
               std::to_string(shape.partitions) + ", K " + std::to_string(shape.num_env) + ", T " +
               std::to_string(shape.temperature));
  const auto c = make_case(shape);
  cuda_host::set_seed(0);
  const auto found = run(c);
  expect_equals_the_definition(c, found);
  for (unsigned seed = 1; seed < seeds; ++seed) {
    cuda_host::set_seed(seed);
    EXPECT_TRUE(run(c) == found) << "other bits in the order of seed " << seed;
  }
}

TEST(CudaEnvironmentLoss, EqualsTheDefinition) {
  expect_right_in_every_order({2, 3, 1, 1});
  expect_right_in_every_order({6, 5, 1, 2});
  expect_right_in_every_order({37, 16, 3, 2, .2, .5});
  expect_right_in_every_order({66, 33, 9, 3, .5, .1});  // two tiles of columns, two groups
  expect_right_in_every_order({70, 200, 2, 2});         // two blocks of features
  expect_right_in_every_order({12, 128, 20, 40});       // most environments are empty
}

TEST(CudaEnvironmentLoss, ManySamplesAndPartitions) {
  expect_right_in_every_order({300, 8, 2, 3, .3, .3}, 2);
  expect_right_in_every_order({64, 36, 35, 2, .5, .4}, 2);
}

TEST(CudaEnvironmentLoss, AnyTemperatureAndLength) {
  for (const double t : {.01, .05, 1., 10.}) {
    expect_right_in_every_order({32, 8, 2, 3, t, t}, 1);
    expect_right_in_every_order({32, 8, 2, 3, .01, t}, 1);
    expect_right_in_every_order({32, 8, 2, 3, t, .01}, 1);
  }
  for (const double length : {.1, 3., 20.}) {
    expect_right_in_every_order({24, 6, 2, 2, .5, .5, length}, 1);
  }
}

TEST(CudaEnvironmentLoss, OneSampleOrNoneCountsAsZero) {
  auto c = make_case({5, 4, 2, 3, .5, .3});
  c.plain.environment = {0, 0, 1, 0, 0, 2, 2, 2, 2, 2};
  const auto both = run(c);
  expect_equals_the_definition(c, both);
  for (const size_t zero : {1u, 2u, 3u, 4u}) {  // environments 1 and 2, then 0 and 1
    EXPECT_EQ(both.contrastive[zero], 0);
    EXPECT_EQ(both.penalty[zero], 0);
  }
  // Without the second partition, the third sample has no part in any term.
  for (size_t i = 3; i < 6; ++i) c.grad_contrastive[i] = c.grad_penalty[i] = 0;
  const auto first = run(c);
  for (size_t k = 8; k < 12; ++k) {
    EXPECT_EQ(first.grad_z1[k], 0);
    EXPECT_EQ(first.grad_z2[k], 0);
  }
  const auto alone = run(make_case({1, 4, 1, 1}));
  EXPECT_EQ(alone.contrastive, std::vector<float>{0});
  EXPECT_EQ(alone.grad_z1, std::vector<float>(4));
}

TEST(CudaEnvironmentLoss, NanAndLabelsOutOfRangeShow) {
  auto c = make_case({12, 4, 2, 2});
  c.z2[11 * 4 + 3] = kNan;
  const auto with_nan = run(c);
  EXPECT_TRUE(std::isnan(with_nan.contrastive[static_cast<size_t>(c.plain.environment[11])]));
  EXPECT_TRUE(std::isnan(with_nan.grad_z2[11 * 4]));
  for (const int64_t label : {int64_t{2}, int64_t{-1}, int64_t{1} << 40}) {
    c = make_case({12, 4, 2, 2});
    c.plain.environment[3] = label;
    const auto found = run(c);
    EXPECT_TRUE(std::isnan(found.contrastive[0]) && std::isnan(found.penalty[1]));
    EXPECT_FALSE(std::isnan(found.contrastive[2]) || std::isnan(found.penalty[3]));
    EXPECT_TRUE(std::isnan(found.grad_z1[0]));  // of a sample beside it
  }
}

// Rows that begin at odd addresses are read number by number, with the same bits.
TEST(CudaEnvironmentLoss, RowsNeedNotBeAligned) {
  auto c = make_case({70, 16, 2, 2});
  const auto expected = run(c);
  std::vector<float> shifted(c.z1.size() + 1);
  std::copy(c.z1.begin(), c.z1.end(), shifted.begin() + 1);
  const auto& in = c.plain;
  const EnvironmentLossInputs inputs = {
      shifted.data() + 1, c.z2.data(),       in.environment.data(), 70, 16, 2, 2,
      in.temperature,     in.irm_temperature};
  std::vector<float> contrastive(4, kNan), penalty(4, kNan);
  std::vector<double> state(2 * 5 * 140, kNan);
  std::vector<float> scratch(static_cast<size_t>(environment_loss_forward_scratch(inputs)), kNan);
  environment_loss_forward(inputs, contrastive.data(), penalty.data(), state.data(), scratch.data(),
                           nullptr);
  EXPECT_EQ(contrastive, expected.contrastive);
  EXPECT_EQ(penalty, expected.penalty);
}

TEST(CudaEnvironmentLoss, FiveLaunchesWhateverTheNumberOfPartitions) {
  for (const int64_t partitions : {1, 14, 33}) {
    const auto before = cuda_host::launches().load();
    run(make_case({8, 4, partitions, 2}));
    EXPECT_EQ(cuda_host::launches() - before, 5);
  }
}

TEST(CudaEnvironmentLoss, EveryBarrierAndWaitTakenOutShows) {
  // Two tiles of columns, an odd number of stages, more partitions than fit at once, and more
  // samples than threads.
  const std::vector<Case> cases = {make_case({66, 40, 17, 2}), make_case({260, 3, 1, 2})};
  cuda_host::expect_every_site_is_needed(
      {"similarity_tile.cuh", "environment_loss.cuh", "environment_loss_forward.cuh",
       "environment_loss_finish.cuh", "environment_loss_backward.cuh"},
      cases.size(), [&](size_t i) { return run(cases[i]); });
}

}  // namespace
}  // namespace ipirm::ops::cuda

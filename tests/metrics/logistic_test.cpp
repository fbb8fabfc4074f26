// Logistic regression against converged golden values, and the scores made of it.
#include "ipirm/metrics/logistic_regression.h"

#include <cmath>

#include "metrics/expectations.h"
#include "metrics/golden_set.h"
#include "metrics/logistic_loss.h"

namespace ipirm::metrics {
namespace {

using testing::AllNear;
using testing::golden_number;
using testing::golden_numbers;
using testing::golden_set;

const Workers kWorkers(2);

// Codes less their mean, divided by their standard deviation.
Matrix standardised(Matrix codes) {
  for (int64_t d = 0; d < codes.columns; ++d) {
    const auto column = codes.column(d);
    for (int64_t i = 0; i < codes.rows; ++i)
      codes(i, d) = (codes(i, d) - mean(column)) / std::sqrt(variance(column));
  }
  return codes;
}

// The largest element of the gradient at C = 1, which is 0 at the minimum alone.
double steepest(const LogisticModel& model, const Matrix& codes, const Classes& classes) {
  Matrix parameters(codes.columns + 1, model.weights.columns);
  const auto& weights = model.weights.values;
  std::copy(weights.begin(), weights.end(), parameters.values.begin());
  std::copy(model.intercept.begin(), model.intercept.end(),
            parameters.values.begin() + static_cast<ptrdiff_t>(weights.size()));
  LogisticLoss loss(codes, classes, 1, kWorkers);
  loss.move_to(parameters);
  double largest = 0;
  for (const double slope : loss.gradient().values) largest = std::max(largest, std::abs(slope));
  return largest;
}

// The gradient is that of finite differences of the objective.
TEST(Logistic, GradientIsTheObjectives) {
  const auto train = golden_set(/*seed=*/6).train;
  for (const auto& values : train.factors) {
    const Classes classes(values);
    LogisticLoss loss(train.codes, classes, .7, kWorkers);
    testing::Lcg random(2);
    Matrix at(5, loss.num_scores());
    for (int64_t d = 0; d < 5; ++d) {
      for (int64_t r = 0; r < at.columns; ++r) at(d, r) = random.uniform() - .5;
    }
    constexpr double kStep = 1e-5;
    loss.move_to(at);
    const auto gradient = loss.gradient();
    for (size_t p = 0; p < at.values.size(); ++p) {
      auto low = at, high = at;
      low.values[p] -= kStep;
      high.values[p] += kStep;
      const double there = loss.move_to(high), here = loss.move_to(low);
      double expected = (there - here) / (2 * kStep);
      // A penalty on rows whose mean is not 0 has a part that the gradient leaves out.
      if (at.columns > 1 && p < 4 * static_cast<size_t>(at.columns)) {
        double sum = 0;
        const size_t row = p / static_cast<size_t>(at.columns);
        for (int64_t r = 0; r < at.columns; ++r) sum += at(static_cast<int64_t>(row), r);
        expected -= sum / static_cast<double>(at.columns);
      }
      EXPECT_NEAR(gradient.values[p], expected, 1e-7);
    }
  }
}

TEST(Logistic, GoldenWeights) {
  const auto train = golden_set().train;
  const auto codes = standardised(train.codes);
  const auto objectives = golden_numbers("regression_objectives");
  const double tolerances[] = {6e-9, 6e-6, 6e-6};  // half of the last digit given
  constexpr double kWeights = 1e-7;  // scikit-learn stops where the objective falls no more
  for (size_t f = 0; f < 3; ++f) {
    const Classes classes(train.factors[f]);
    const auto model = fit_logistic(codes, classes, 1, nullptr, kWorkers);
    EXPECT_NEAR(model.objective, objectives[f], tolerances[f]);
    EXPECT_LT(steepest(model, codes, classes), 1e-12);
    if (f == 0) {
      auto found = model.weights.values;
      found.push_back(model.intercept[0]);
      EXPECT_THAT(found, AllNear(golden_numbers("regression_y0"), kWeights));
    } else {
      const auto name = std::string(f == 1 ? "regression_y1" : "regression_y2") + "_intercepts";
      EXPECT_THAT(model.intercept, AllNear(golden_numbers(name), kWeights));
      for (int64_t d = 0; d < codes.columns; ++d) {
        double sum = 0;
        for (int64_t r = 0; r < model.weights.columns; ++r) sum += model.weights(d, r);
        EXPECT_NEAR(sum, 0, 1e-12);
      }
    }
  }
}

TEST(Logistic, GoldenExplicitness) {
  const auto set = golden_set();
  const auto found = explicitness(set.train, set.test, kWorkers);
  EXPECT_THAT(found.train, AllNear(golden_numbers("explicitness_train"), 1e-12));
  EXPECT_THAT(found.test, AllNear(golden_numbers("explicitness_test"), 1e-12));
  EXPECT_NEAR(mean(found.train), golden_number("explicitness_train"), 1e-12);
  EXPECT_NEAR(mean(found.test), golden_number("explicitness_test"), 1e-12);
}

TEST(Logistic, GoldenAccuracy) {
  const auto set = golden_set();
  const auto found = logistic_accuracy(set.train, set.test, kWorkers);
  EXPECT_THAT(found.C, AllNear(golden_numbers("accuracy_C"), 1e-7));
  EXPECT_THAT(found.train, AllNear(golden_numbers("accuracy_train"), 1e-6));
  EXPECT_THAT(found.test, AllNear(golden_numbers("accuracy_test"), 1e-6));
}

// Where the gradient vanishes the objective, being convex, is at its minimum: also for codes that
// differ by many orders of magnitude, that are the same twice, and with hardly any penalty.
TEST(Logistic, ConvergesOnAwkwardCodes) {
  auto train = golden_set(/*seed=*/8).train;
  Matrix codes(train.codes.rows, 6);
  for (int64_t i = 0; i < codes.rows; ++i) {
    for (int64_t d = 0; d < 6; ++d) codes(i, d) = train.codes(i, d % 4);
    codes(i, 0) *= 1e3;
    codes(i, 1) *= 1e-3;
    codes(i, 3) = .25;
  }
  const double C = 1e4;
  for (const auto& values : train.factors) {
    const Classes classes(values);
    const auto model = fit_logistic(codes, classes, C, nullptr, kWorkers);
    const auto probabilities = model.probabilities(codes, kWorkers);
    for (int64_t r = 0; r < model.weights.columns; ++r) {
      const int64_t k = classes.count() == 2 ? 1 : r;
      double intercept = 0;
      for (int64_t d = 0; d < 6; ++d) {
        double slope = model.weights(d, r), scale = std::abs(slope);
        for (int64_t i = 0; i < codes.rows; ++i) {
          const double missing =
              probabilities(i, k) - (classes.of_sample[static_cast<size_t>(i)] == k);
          slope += C * codes(i, d) * missing;
          scale += C * std::abs(codes(i, d) * missing);
          if (d == 0) intercept += missing;
        }
        EXPECT_NEAR(slope / scale, 0, 1e-7);
      }
      EXPECT_NEAR(intercept, 0, 1e-7);
    }
  }
}

TEST(Logistic, NumbersOfThreadsChangeNoBit) {
  testing::Lcg random(4);
  const auto train = testing::draw_golden(random, 60000);  // enough for several threads
  for (const auto& values : train.factors) {
    const auto one = fit_logistic(train.codes, Classes(values), 1, nullptr, Workers(1));
    const auto five = fit_logistic(train.codes, Classes(values), 1, nullptr, Workers(5));
    EXPECT_EQ(one.weights.values, five.weights.values);
  }
}

TEST(AreaUnderCurve, CountsPairsAndHalvesTies) {
  EXPECT_EQ(area_under_curve({1, 2, 3, 4}, {0, 0, 1, 1}), 1);
  EXPECT_EQ(area_under_curve({4, 3, 2, 1}, {0, 0, 1, 1}), 0);
  EXPECT_EQ(area_under_curve({1, 1, 1, 1}, {0, 1, 0, 1}), .5);
  EXPECT_EQ(area_under_curve({1, 2, 2, 3}, {0, 0, 1, 1}), 3.5 / 4);
}

TEST(Explicitness, LeavesOutAClassThatTheTestLacks) {
  auto set = golden_set();
  const auto with_all = explicitness(set.train, set.test, kWorkers);
  auto& test = set.test;
  Sample without{Matrix(0, 4), std::vector<Values>(3)};
  for (int64_t i = 0; i < test.codes.rows; ++i) {
    if (test.factors[2][static_cast<size_t>(i)] == 3) continue;
    ++without.codes.rows;
    for (int64_t d = 0; d < 4; ++d) without.codes.values.push_back(test.codes(i, d));
    for (size_t f = 0; f < 3; ++f)
      without.factors[f].push_back(test.factors[f][static_cast<size_t>(i)]);
  }
  const auto found = explicitness(set.train, without, kWorkers);
  EXPECT_EQ(found.train, with_all.train);
  EXPECT_GT(found.test[2], .8);
  EXPECT_LE(found.test[2], 1);
  const auto accuracy = logistic_accuracy(set.train, without, kWorkers);
  EXPECT_GT(accuracy.test[2], .6);
}

// Sorted by class, a fold holds all samples of one: its classifier knows the others alone.
TEST(LogisticAccuracy, FoldsMayLackAClass) {
  Sample sample{Matrix(50, 1), {{}}};
  for (int64_t i = 0; i < 50; ++i) {
    sample.factors[0].push_back(i / 10);
    sample.codes(i, 0) = static_cast<double>(i / 10) + .01 * static_cast<double>(i % 10);
  }
  const auto found = logistic_accuracy(sample, sample, kWorkers);
  EXPECT_NEAR(found.C[0], 1e-4, 1e-12);  // none is ever right: the first of equals
  EXPECT_GE(found.train[0], .2);
}

}  // namespace
}  // namespace ipirm::metrics

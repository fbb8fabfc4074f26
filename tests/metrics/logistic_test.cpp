// Logistic regression against converged golden values, and the scores made of it.
#include "ipirm/metrics/logistic_regression.h"

#include <cmath>

#include "metrics/expectations.h"
#include "metrics/golden_set.h"
#include "metrics/logistic_loss.h"
#include "metrics/preconditioner.h"

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

// The largest element of the gradient, which is 0 at the minimum alone.
double steepest(const LogisticModel& model, const Matrix& codes, const Classes& classes, double C) {
  Matrix parameters(model.weights.columns, codes.columns + 1);
  for (int64_t r = 0; r < parameters.rows; ++r) {
    for (int64_t d = 0; d < codes.columns; ++d) parameters(r, d) = model.weights(d, r);
    parameters(r, codes.columns) = model.intercept[static_cast<size_t>(r)];
  }
  LogisticLoss loss(codes, classes, C, kWorkers);
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
    Matrix at(loss.num_scores(), 5);
    for (double& number : at.values) number = random.uniform() - .5;
    centre(at);  // where they are not, the penalty has a part that the gradient leaves out
    constexpr double kStep = 1e-5;
    loss.move_to(at);
    const auto gradient = loss.gradient();
    for (size_t p = 0; p < at.values.size(); ++p) {
      auto low = at, high = at;
      low.values[p] -= kStep;
      high.values[p] += kStep;
      const double there = loss.move_to(high), here = loss.move_to(low);
      EXPECT_NEAR(gradient.values[p], (there - here) / (2 * kStep), 1e-7);
    }
  }
}

// A centred direction, at random.
Matrix some_direction(const LogisticLoss& loss, testing::Lcg& random) {
  Matrix result(loss.num_scores(), loss.num_parameters());
  for (double& number : result.values) number = random.uniform() - .5;
  centre(result);
  return result;
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double largest = 0;
  for (size_t p = 0; p < a.values.size(); ++p)
    largest = std::max(largest, std::abs(a.values[p] - b.values[p]));
  return largest;
}

// The product with the second derivatives is that of finite differences of the gradient; the
// matrix of all of them gives the same product, as far as small ones are left out.
TEST(Logistic, CurvatureIsTheGradients) {
  const auto train = golden_set(/*seed=*/6).train;
  for (const auto& values : train.factors) {
    const Classes classes(values);
    LogisticLoss loss(train.codes, classes, .7, kWorkers);
    testing::Lcg random(2);
    const auto at = some_direction(loss, random), direction = some_direction(loss, random);
    const auto move = [&](double share) {
      auto there = at;
      for (size_t p = 0; p < at.values.size(); ++p) there.values[p] += share * direction.values[p];
      loss.move_to(there);
      return loss.gradient();
    };
    constexpr double kStep = 1e-5;
    auto expected = move(kStep);
    const auto low = move(-kStep);
    for (size_t p = 0; p < at.values.size(); ++p)
      expected.values[p] = (expected.values[p] - low.values[p]) / (2 * kStep);
    loss.move_to(at);
    EXPECT_LT(largest_difference(loss.curvature_times(direction), expected), 1e-7);
    const auto full = loss.full_curvature();
    Matrix product(at.rows, at.columns);
    for (int64_t a = 0; a < full.rows; ++a) {
      for (int64_t b = 0; b < full.rows; ++b)
        product.values[static_cast<size_t>(a)] +=
            full(std::min(a, b), std::max(a, b)) * direction.values[static_cast<size_t>(b)];
    }
    centre(product);
    EXPECT_LT(largest_difference(product, expected), .7 * 1e-4 * 240 * 16);
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
    EXPECT_LT(steepest(model, codes, classes, 1), 1e-12);
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

// Ten classes on twelve codes that resemble each other, most of them apart.
struct ComeApart {
  ComeApart() : codes(300, 12) {
    testing::Lcg random(5);
    for (int64_t i = 0; i < codes.rows; ++i) {
      values.push_back(static_cast<int64_t>(random.uniform() * 10));
      const auto value = static_cast<double>(values.back());
      for (int64_t d = 0; d < codes.columns; ++d) {
        const auto number = static_cast<double>(d);
        codes(i, d) =
            std::sin(value * (1 + number / 5)) + .3 * std::pow(.6, number) * random.uniform();
      }
    }
  }
  Matrix codes;
  Values values;
};

// The best preconditioner undoes the second derivatives, but for small ones that it leaves out.
TEST(Logistic, PreconditionersGetBetter) {
  const ComeApart set;
  const Classes classes(set.values);
  LogisticLoss loss(set.codes, classes, 10, kWorkers);
  testing::Lcg random(3);
  loss.move_to(some_direction(loss, random));
  Preconditioner preconditioner(loss);
  const auto wrong_by = [&] {
    const auto numbers = some_direction(loss, random);
    return largest_difference(loss.curvature_times(preconditioner.solve(numbers)), numbers);
  };
  const auto improve = [&] {
    EXPECT_FALSE(preconditioner.improvement_is_due());
    for (int product = 0; product < 1000 && !preconditioner.improvement_is_due(); ++product)
      preconditioner.count_product();
    EXPECT_TRUE(preconditioner.improvement_is_due());
    preconditioner.improve();
  };
  EXPECT_GT(wrong_by(), .1);
  improve();
  improve();
  EXPECT_LT(wrong_by(), .01);
}

TEST(Logistic, ConvergesWhereClassesComeApart) {
  const ComeApart set;
  const Classes classes(set.values);
  for (const double C : {1., 1e4}) {
    const auto model = fit_logistic(set.codes, classes, C, nullptr, kWorkers);
    EXPECT_LT(steepest(model, set.codes, classes, C), 1e-10 * C);
  }
}

// Of 30 samples, one there twice, with 80 codes; from zeros and from elsewhere.
TEST(Logistic, ConvergesOnFewerSamplesThanCodes) {
  testing::Lcg random(7);
  Matrix codes(30, 80);
  Values values;
  for (int64_t i = 0; i < codes.rows; ++i) {
    values.push_back(i == 29 ? values[3] : i % 3);
    for (int64_t d = 0; d < codes.columns; ++d)
      codes(i, d) = i == 29 ? codes(3, d) : random.uniform() - .3;
  }
  const Classes classes(values);
  const auto first = fit_logistic(codes, classes, 1, nullptr, kWorkers);
  EXPECT_LT(steepest(first, codes, classes, 1), 1e-12);
  const auto path = fit_logistic(codes, classes, 1e3, &first, kWorkers);
  const auto alone = fit_logistic(codes, classes, 1e3, nullptr, kWorkers);
  EXPECT_LT(steepest(path, codes, classes, 1e3), 1e-9);
  EXPECT_THAT(path.weights.values, AllNear(alone.weights.values, 1e-7));
  const auto nothing = fit_logistic(Matrix(30, 80), classes, 1, &alone, kWorkers);
  EXPECT_NEAR(nothing.intercept[0] - nothing.intercept[1], std::log(11. / 10), 1e-7);
  EXPECT_THAT(nothing.weights.values, AllNear(std::vector<double>(240, 0.0), 1e-12));
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

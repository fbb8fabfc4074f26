// The time that a run still takes, from what it has done.
#include <gtest/gtest.h>

#include "ipirm/train/time_left.h"

namespace ipirm::train {
namespace {

TrainOptions ten_epochs() {
  TrainOptions options;
  options.epochs = 10;
  options.maximize_iter = 4;
  options.eval_every = 5;
  return options;
}

TEST(TimeLeft, IsUnknownBeforeTheFirstStep) {
  EXPECT_FALSE(TimeLeft(ten_epochs(), 6, true, true).at({}).has_value());
}

// 10 epochs of 6 steps; searches after 4 and 8, evaluations after 5 and 10.
TEST(TimeLeft, CountsStepsSearchesAndEvaluations) {
  TimeLeft left(ten_epochs(), 6, true, true);
  left.steps(3, 6);
  const auto first = left.at({.epoch = 1, .phase = Phase::kMinimize, .step = 3, .total_steps = 3});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->seconds, 57 * 2);
  EXPECT_TRUE(first->at_least);
  EXPECT_EQ(to_text(*first), "over 1m 54s");
  left.search(20);
  left.search(40);
  left.evaluation(7);
  const auto known = left.at({.epoch = 1, .phase = Phase::kMinimize, .step = 3, .total_steps = 3});
  EXPECT_EQ(known->seconds, 57 * 2 + 2 * 30 + 2 * 7);
  EXPECT_FALSE(known->at_least);
  // In epoch 8, all steps made: before its search, and after it.
  EXPECT_EQ(left.at({8, Phase::kMaximize, 6, 48})->seconds, 12 * 2 + 30 + 7);
  EXPECT_EQ(left.at({8, Phase::kEvaluate, 6, 48})->seconds, 12 * 2 + 7);
  EXPECT_EQ(left.at({10, Phase::kEvaluate, 6, 60})->seconds, 7);
}

TEST(TimeLeft, HasNoPartsThatAreNotMade) {
  TimeLeft left(ten_epochs(), 6, false, false);
  left.steps(1, 1);
  const auto estimate = left.at({});
  EXPECT_EQ(estimate->seconds, 60);
  EXPECT_FALSE(estimate->at_least);
}

// 15 steps are two epochs and a half.
TEST(TimeLeft, EndsAtMaxSteps) {
  auto options = ten_epochs();
  options.max_steps = 27;
  TimeLeft left(options, 6, true, true);
  left.steps(1, 1);
  left.search(100);
  left.evaluation(1000);
  EXPECT_EQ(left.at({.epoch = 3, .phase = Phase::kMinimize, .step = 0, .total_steps = 12})->seconds,
            15 + 100);  // the search after epoch 4; no whole epoch 5
  // The end of epoch 5, whose evaluation is not made any more.
  options.max_steps = 30;
  TimeLeft whole(options, 6, true, true);
  whole.steps(1, 1);
  whole.search(100);
  whole.evaluation(1000);
  EXPECT_EQ(
      whole.at({.epoch = 3, .phase = Phase::kMinimize, .step = 0, .total_steps = 12})->seconds,
      18 + 100);
}

TEST(TimeLeft, FollowsTheNewestSteps) {
  TimeLeft left(ten_epochs(), 6, false, false);
  left.steps(1, 1);
  for (int i = 0; i < 60; ++i) left.steps(1, 3);
  EXPECT_NEAR(left.at({})->seconds, 180, .1);
}

}  // namespace
}  // namespace ipirm::train

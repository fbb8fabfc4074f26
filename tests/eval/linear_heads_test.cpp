// Tests of the parts of the linear evaluation: several heads at once, the split of the training
// images, accuracy by class, the minimum that L-BFGS finds.
#include "eval/linear_heads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "eval/linear_minimum.h"
#include "eval/linear_split.h"
#include "eval/linear_totals.h"
#include "eval/toy_set.h"
#include "ipirm/core/error.h"
#include "ipirm/metrics/logistic_regression.h"

namespace ipirm::eval {
namespace {

using test::ToySet;
using ::testing::HasSubstr;
using torch::Tensor;

LinearSplit whole(const ToySet& set) {
  return {{&set, [](const data::ImageSet*) {}}, nullptr};
}

// Features that tell the classes of a ToySet apart, but not without mistakes.
Tensor features_of(const ToySet& set, int64_t width) {
  torch::manual_seed(3);
  Tensor h = torch::rand({set.size(), width});
  for (int64_t i = 0; i < set.size(); ++i) h[i][set.label(i)] += .5;
  return h;
}

// Each head of a grid is, up to the rounding of one product of matrices, the head that is trained
// alone with its settings.
TEST(LinearHeads, AHeadOfManyIsAHeadAlone) {
  const ToySet set(60, 1), test(12, 2);
  const Tensor h = features_of(set, 7), h_test = features_of(test, 7);
  const LinearOptions grid{.lr = {.1, .01, .001}, .weight_decay = {0, .1}};
  LinearHeads many(whole(set), test, 0, 7, grid, torch::kCPU);
  ASSERT_EQ(many.size(), 6u);
  const auto steps = [&](LinearHeads& heads) {
    const auto group = dist::alone();
    for (int64_t step = 0; step < 40; ++step) {
      auto totals = heads.new_totals(false);
      const Tensor index = torch::arange(step % 3, 60, 3);
      heads.train(h.index_select(0, index), index, {20, *group}, *group, totals);
    }
    auto totals = heads.new_totals(false);
    heads.test(h_test, {12, *group}, totals);
    return totals;
  };
  const auto of_many = steps(many);
  std::set<double> losses;
  for (int64_t head = 0; head < 6; ++head) {
    const LinearOptions own{.lr = {grid.lr_of(head)}, .weight_decay = {grid.weight_decay_of(head)}};
    LinearHeads alone(whole(set), test, 0, 7, own, torch::kCPU);
    const auto of_one = steps(alone);
    const auto i = static_cast<size_t>(head);
    EXPECT_NEAR(of_many[i].read().loss, of_one[0].read().loss, 1e-5);
    EXPECT_TRUE(
        torch::allclose(many.parameters(i)[0].second, alone.parameters(0)[0].second, 1e-4, 1e-5));
    losses.insert(of_many[i].read().loss);
  }
  EXPECT_EQ(losses.size(), 6u) << "each setting must count";
}

TEST(LinearSplit, HoldsATenthOfEachClassOut) {
  ToySet set(90, 1);
  const auto split = split_for_linear(set, {.lr = {.1, .01}});
  EXPECT_EQ(split.train->size(), 81);
  ASSERT_TRUE(split.held);
  EXPECT_EQ(split.held->size(), 9);
  std::vector<int64_t> of_class(3);
  std::vector<uint8_t> scratch;
  std::set<const void*> pixels;  // an image of a ToySet is a place in memory
  for (const auto& part : {split.train, split.held}) {
    for (int64_t i = 0; i < part->size(); ++i) {
      pixels.insert(part->image(i, scratch).pixels);
      const int64_t place =
          (part->image(i, scratch).pixels - set.image(0, scratch).pixels) / (3 * 16 * 16);
      EXPECT_EQ(part->label(i), set.label(place));
      EXPECT_EQ(part->factors()[1].values[static_cast<size_t>(i)],
                set.factors()[1].values[static_cast<size_t>(place)]);
      if (part == split.held) ++of_class[static_cast<size_t>(part->label(i))];
    }
  }
  EXPECT_EQ(pixels.size(), 90u) << "no image in both, none lost";
  EXPECT_EQ(of_class, (std::vector<int64_t>{3, 3, 3}));
}

TEST(LinearSplit, TakesAShareOfTheLabelsByClass) {
  const ToySet set(90, 1);
  const auto sizes = [&](double share, std::vector<double> lr) {
    const auto split = split_for_linear(set, {.lr = std::move(lr), .label_share = share});
    std::vector<int64_t> of_class(3);
    for (int64_t i = 0; i < split.train->size(); ++i)
      ++of_class[static_cast<size_t>(split.train->label(i))];
    return of_class;
  };
  EXPECT_EQ(sizes(1, {.1}), (std::vector<int64_t>{30, 30, 30}));
  EXPECT_EQ(sizes(.1, {.1}), (std::vector<int64_t>{3, 3, 3}));
  EXPECT_EQ(sizes(.01, {.1}), (std::vector<int64_t>{1, 1, 1})) << "one at least";
  EXPECT_EQ(sizes(.1, {.1, .2}), (std::vector<int64_t>{2, 2, 2})) << "and one held out";
  const auto first = split_for_linear(set, {.seed = 1, .label_share = .2}).train,
             again = split_for_linear(set, {.seed = 1, .label_share = .2}).train,
             other = split_for_linear(set, {.seed = 2, .label_share = .2}).train;
  std::vector<uint8_t> scratch;
  int num_same = 0;
  for (int64_t i = 0; i < first->size(); ++i) {
    EXPECT_EQ(first->image(i, scratch).pixels, again->image(i, scratch).pixels);
    num_same += first->image(i, scratch).pixels == other->image(i, scratch).pixels;
  }
  EXPECT_LT(num_same, 10) << "of 18";
}

TEST(LinearSplit, SaysWhereNothingIsLeftToHoldOut) {
  const ToySet set(3, 1);
  try {
    split_for_linear(set, {.lr = {.1, .01}});
    FAIL() << "no error";
  } catch (const core::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no class has two of which one could be held out"));
  }
}

// Four images of class 0, of which three are hit, one of class 2, which is not: 60 % of the images,
// 37.5 % by class; class 1 has no image and does not count.
TEST(LinearTotals, ClassesCountAlike) {
  LinearTotals totals(torch::kCPU, 3);
  const Tensor logits =
      torch::tensor({{2., 0., 0.}, {2., 1., 0.}, {2., 0., 1.}, {0., 2., 0.}, {0., 2., 0.}});
  const Tensor labels = torch::tensor({0, 0, 0, 0, 2}, torch::kInt64);
  totals.add(torch::tensor(1.5), logits.slice(0, 0, 2), labels.slice(0, 0, 2));
  totals.add(torch::tensor(.5), logits.slice(0, 2), labels.slice(0, 2));
  EXPECT_DOUBLE_EQ(totals.read().top1, 60);
  EXPECT_DOUBLE_EQ(totals.read().class_top1, 37.5);
  EXPECT_DOUBLE_EQ(totals.read().loss, .9);
  EXPECT_TRUE(std::isnan(LinearTotals(torch::kCPU).read().class_top1));
}

// The room metrics has another solver, Newton's method on plain arrays: their minima are one.
TEST(LinearMinimum, IsThatOfNewtonsMethod) {
  const ToySet set(90, 1);
  const Tensor h = features_of(set, 5) * torch::tensor({1., .01, 30., 1., 0.}) + 2;
  metrics::Matrix codes(90, 5);
  const Tensor wide = h.to(torch::kFloat64).contiguous();
  std::copy_n(wide.const_data_ptr<double>(), codes.values.size(), codes.values.begin());
  const metrics::Classes classes(set.factors()[0].values);
  const Tensor labels = torch::tensor(set.factors()[0].values);
  const auto group = dist::alone();
  const LinearProblem problem(h, labels, 3, 90, *group);
  for (const double decay : {1e-1, 1e-3}) {
    const auto found = problem.minimize(decay, "test").value();
    const double C = 1 / (90 * decay);
    const auto expected = metrics::fit_logistic(codes, classes, C, nullptr, metrics::Workers(1));
    EXPECT_NEAR(found.loss, expected.objective / (90 * C), 1e-10);
    EXPECT_LE(found.slope, 1e-7);
    for (int64_t d = 0; d < 5; ++d) {
      for (int64_t c = 0; c < 3; ++c)
        EXPECT_NEAR(found.weight[c][d].item<double>(), expected.weights(d, c), 1e-4) << d << c;
    }
  }
}

}  // namespace
}  // namespace ipirm::eval

// Tests of the weighted kNN vote and of accuracy: golden values, an example by hand, ties, limits.
#include "ipirm/eval/knn.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/golden.h"

namespace ipirm::eval {
namespace {

constexpr double kTolerance = 1e-10;  // golden/README.md, weighted_knn

TEST(Knn, ScoresAreTheReferences) {
  const torch::Tensor scores = knn_scores(
      testing::golden("weighted_knn", "queries"), testing::golden("weighted_knn", "bank"),
      testing::golden("weighted_knn", "bank_labels"), 5, {.k = 7, .temperature = 0.5});
  EXPECT_LT(testing::relative_error(scores, testing::golden("weighted_knn", "scores")), kTolerance);
}

TEST(Knn, TwoNearestVoteByHand) {
  const torch::Tensor bank =
      torch::tensor({{1.0, 0.0}, {0.6, 0.8}, {0.0, 1.0}, {-1.0, 0.0}}, torch::kFloat64);
  const torch::Tensor labels = torch::tensor({2, 0, 2, 1}, torch::kInt64);
  const torch::Tensor queries = torch::tensor({{1.0, 0.0}, {0.0, -1.0}}, torch::kFloat64);
  const torch::Tensor scores = knn_scores(queries, bank, labels, 3, {.k = 2, .temperature = 0.5});
  // Query 0: similarities 1, .6, 0, -1. Query 1: 0, -.8, -1, 0.
  const torch::Tensor expected =
      torch::tensor({{std::exp(1.2), 0.0, std::exp(2.0)}, {0.0, 1.0, 1.0}}, torch::kFloat64);
  EXPECT_TRUE(torch::allclose(scores, expected, 1e-14)) << scores;
}

TEST(Knn, OfEqualNeighboursTheFirstVote) {
  const torch::Tensor bank = torch::ones({6, 1}, torch::kFloat64);
  const torch::Tensor labels = torch::tensor({4, 1, 1, 0, 3, 2}, torch::kInt64);
  const torch::Tensor scores =
      knn_scores(torch::ones({1, 1}, torch::kFloat64), bank, labels, 5, {.k = 3, .temperature = 1});
  const double e = std::exp(1.0);
  EXPECT_TRUE(torch::allclose(scores, torch::tensor({{0.0, 2 * e, 0.0, 0.0, e}}, torch::kFloat64)));
}

TEST(Knn, AsManyNeighboursAsTheBankHoldsAtMost) {
  torch::manual_seed(5);
  const torch::Tensor bank = torch::randn({10, 4}, torch::kFloat64);
  const torch::Tensor queries = torch::randn({3, 4}, torch::kFloat64);
  const torch::Tensor labels = torch::arange(10) % 3;
  const torch::Tensor all = knn_scores(queries, bank, labels, 3, {.k = 200, .temperature = 0.5});
  EXPECT_TRUE(
      torch::equal(all, knn_scores(queries, bank, labels, 3, {.k = 10, .temperature = 0.5})));
  EXPECT_TRUE(torch::allclose(all.sum(1), (queries.mm(bank.t()) / 0.5).exp().sum(1)));
}

TEST(Knn, BlocksOfQueriesAgreeWithSortingEachRow) {
  torch::manual_seed(6);
  const auto unit_rows = [](int64_t n) {
    const torch::Tensor x = torch::randn({n, 8}, torch::kFloat64);
    return x / x.norm(2, 1, true);
  };
  const torch::Tensor queries = unit_rows(3000), bank = unit_rows(3000);  // more than one block
  const torch::Tensor labels = torch::randint(0, 5, {3000});
  const torch::Tensor scores = knn_scores(queries, bank, labels, 5, {.k = 20, .temperature = 0.1});
  for (int64_t q : {0, 1500, 2999}) {
    const auto [similarity, place] = bank.mv(queries[q]).sort(/*dim=*/0, /*descending=*/true);
    std::vector<double> expected(5, 0);
    for (int64_t i = 0; i < 20; ++i)
      expected[labels[place[i].item<int64_t>()].item<int64_t>()] +=
          std::exp(similarity[i].item<double>() / 0.1);
    EXPECT_TRUE(torch::allclose(scores[q], torch::tensor(expected, torch::kFloat64))) << q;
  }
}

TEST(Knn, ATinyTemperatureDoesNotOverflow) {
  const torch::Tensor bank = torch::tensor({{1.0f, 0.0f}, {0.6f, 0.8f}});
  const torch::Tensor scores = knn_scores(bank, bank, torch::tensor({0, 1}, torch::kInt64), 2,
                                          {.k = 2, .temperature = 1e-3});
  EXPECT_TRUE(torch::allclose(scores, torch::eye(2))) << scores;
}

TEST(Accuracy, CountsTheFirstAndTheFirstFive) {
  // Label 0's place among six classes: 1, 5, 6, and 1 of two equal scores.
  const torch::Tensor scores = torch::tensor({{9., 1., 2., 3., 4., 5.},
                                              {1., 9., 8., 7., 6., 0.},
                                              {0., 5., 4., 3., 2., 1.},
                                              {3., 3., 1., 1., 1., 1.}});
  const Accuracy result = accuracy(scores, torch::zeros({4}, torch::kInt64));
  EXPECT_EQ(result.top1, 50);
  EXPECT_EQ(result.top5, 75);
  // The other of two equal scores comes second.
  EXPECT_EQ(accuracy(scores.slice(0, 3, 4), torch::ones({1}, torch::kInt64)).top1, 0);
}

TEST(Accuracy, WithFewClassesTopFiveIsTopAll) {
  const Accuracy result =
      accuracy(torch::tensor({{1., 2., 3.}}), torch::tensor({0}, torch::kInt64));
  EXPECT_EQ(result.top1, 0);
  EXPECT_EQ(result.top5, 100);
}

TEST(Accuracy, NotANumberIsNeverRight) {
  const torch::Tensor scores = torch::full({2, 3}, std::nan(""));
  const Accuracy result = accuracy(scores, torch::tensor({0, 2}, torch::kInt64));
  EXPECT_EQ(result.top1, 0);
  EXPECT_EQ(result.top5, 0);
  EXPECT_EQ(accuracy(torch::empty({0, 3}), torch::empty({0}, torch::kInt64)).top1, 0);
}

}  // namespace
}  // namespace ipirm::eval

// Neighbours, principal components and confusions against what they are by definition.
#include "ipirm/inspect/feature_view.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "eval/toy_set.h"

namespace ipirm::inspect {
namespace {

constexpr double kRounding = 1e-9;  // of float64 eigenvectors of well separated variances

TEST(Nearest, AreTheLargestProductsTheFirstOfEqualOnesAhead) {
  const auto bank = torch::tensor({{1., 0.}, {0., 1.}, {.6, .8}, {1., 0.}});
  const auto found = nearest(torch::tensor({{1., 0.}, {0., 1.}}), bank, 3);
  EXPECT_TRUE(found.index.equal(torch::tensor({{0, 3, 2}, {1, 2, 0}}, torch::kInt64)));
  EXPECT_TRUE(found.similarity.equal(torch::tensor({{1., 1., .6}, {1., .8, 0.}})));
  EXPECT_EQ(nearest(bank, bank, 9).index.size(1), 4);
}

TEST(NeighbourSheet, FramesTellAlikeFromOther) {
  const test::ToySet set(6, 1, 16);  // image i is of class i mod 3
  const Neighbours found{torch::tensor({{3, 1}}, torch::kInt64), torch::tensor({{1., .5}})};
  const auto sheet = neighbour_sheet(set, {0}, set, found);
  const int first = 8 + 84 + 24, second = first + 84 + 8;
  const Colour alike = sheet.at(first - 1, 8 + 10), other = sheet.at(second - 1, 8 + 10);
  EXPECT_GT(alike.green, alike.red);
  EXPECT_GT(other.red, other.green);
}

// Points along two axes of known spread, turned and moved.
torch::Tensor spread(int64_t n, int64_t width) {
  torch::manual_seed(5);
  const auto turn = std::get<0>(at::linalg_qr(torch::randn({width, width}, torch::kFloat64)));
  auto plain = .01 * torch::randn({n, width}, torch::kFloat64);
  plain.select(1, 0) = 5 * torch::randn({n}, torch::kFloat64);
  plain.select(1, 1) = 2 * torch::randn({n}, torch::kFloat64);
  return plain.mm(turn) + 7;
}

// By the singular values of the centred features.
void expect_principal(const torch::Tensor& features) {
  const auto map = principal_components(features, 2);
  const auto rows = features - features.mean(0, true);
  const auto [u, s, vh] = at::linalg_svd(rows, /*full_matrices=*/false);
  const auto expected = u.slice(1, 0, 2) * s.slice(0, 0, 2);
  for (int64_t axis = 0; axis < 2; ++axis) {
    const auto found = map.points.select(1, axis), wanted = expected.select(1, axis);
    const double sign = (found * wanted).sum().item<double>() < 0 ? -1 : 1;
    EXPECT_LT((found - sign * wanted).abs().max().item<double>(), kRounding);
    EXPECT_NEAR(map.share[static_cast<size_t>(axis)],
                (s[axis] * s[axis] / s.square().sum()).item<double>(), kRounding);
    // The direction grows along the feature with the largest weight.
    const auto direction = rows.t().mv(found);
    EXPECT_GT(direction[direction.abs().argmax().item<int64_t>()].item<double>(), 0);
  }
}

TEST(PrincipalPlane, IsThatOfTheSingularValues) {
  expect_principal(spread(60, 7));
  expect_principal(spread(9, 40));
}

TEST(PrincipalPlane, OfOneSampleIsAPoint) {
  const auto map = principal_components(torch::ones({1, 4}), 2);
  EXPECT_TRUE(map.points.equal(torch::zeros({1, 2}, torch::kFloat64)));
  EXPECT_EQ(map.share[0], 0);
}

// Two samples differ along one axis alone: what rounding makes of the other is not shown.
TEST(PrincipalPlane, HasNoAxisOfRounding) {
  torch::manual_seed(3);
  for (const int64_t width : {3, 50}) {
    const auto two = torch::randn({2, width}, torch::kFloat64);
    const auto map = principal_components(at::cat({two, two, two}), 2);
    EXPECT_TRUE(map.points.select(1, 1).equal(torch::zeros({6}, torch::kFloat64)));
    EXPECT_NEAR(map.share[0], 1, kRounding);
    EXPECT_EQ(map.share[1], 0);
  }
}

TEST(MapPicture, HasADotInTheColourOfItsValue) {
  const Components map{torch::tensor({{1., 0.}, {-1., 0.}}, torch::kFloat64), {.5, 0}};
  const auto picture = map_picture(map, {"hue", 2, {0, 1}});
  EXPECT_EQ(picture.at(640 - 14, 320), colour_of(0, 2));
  EXPECT_EQ(picture.at(14, 320), colour_of(1, 2));
}

TEST(ConfusionOf, CountsWhatWasTakenForWhat) {
  const auto labels = torch::tensor({0, 0, 0, 1, -1, 1}, torch::kInt64);
  const auto predicted = torch::tensor({0, 0, 1, 1, 0, 1}, torch::kInt64);
  const auto found = confusion_of(predicted, labels, 3);
  EXPECT_EQ(found.counts, (std::vector<std::vector<int64_t>>{{2, 1, 0}, {0, 2, 0}, {0, 0, 0}}));
  EXPECT_DOUBLE_EQ(found.accuracy[0], 200. / 3);
  EXPECT_DOUBLE_EQ(found.accuracy[1], 100);
  EXPECT_EQ(found.accuracy[2], -1);
  EXPECT_DOUBLE_EQ(found.overall, 80);
  EXPECT_DOUBLE_EQ(found.mean, (200. / 3 + 100) / 2);
}

TEST(ConfusionOf, RefusesWhatIsNoClass) {
  const auto of = [](int64_t predicted) {
    confusion_of(torch::tensor({predicted}), torch::tensor({int64_t{1}}), 2);
  };
  EXPECT_NO_THROW(of(1));
  EXPECT_ANY_THROW(of(-1));
  EXPECT_ANY_THROW(of(2));
}

TEST(ConfusionPicture, IsDarkWhereMostOfAClassWent) {
  const auto picture = confusion_picture(
      confusion_of(torch::tensor({0, 0}, torch::kInt64), torch::tensor({0, 1}, torch::kInt64), 2),
      {"hue", 2, {}});
  const int square = 560 / 2;
  EXPECT_LT(picture.at(110 + square - 10, 24 + 10).red, 60);       // row 0, column 0
  EXPECT_GT(picture.at(110 + 2 * square - 10, 24 + 10).red, 200);  // row 0, column 1
  EXPECT_LT(picture.at(110 + square - 10, 24 + square + 10).red, 60);
}

}  // namespace
}  // namespace ipirm::inspect

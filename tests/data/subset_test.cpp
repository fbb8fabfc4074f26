// Parts of a set: the images asked for, with what is known about them and where they came from.
#include "ipirm/data/subset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipirm::data {
namespace {

using ::testing::ElementsAre;

// Ten images of one pixel each, whose red is their number.
class Ten : public ImageSet {
 public:
  int64_t size() const override { return 10; }
  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    scratch = {static_cast<uint8_t>(i), 0, 0};
    return {scratch.data(), 1, 1, 1, 3, 3};
  }
  const std::vector<Factor>& factors() const override { return factors_; }
  std::string name(int64_t i) const override { return "image " + std::to_string(i); }

 private:
  std::vector<Factor> factors_ = {{"label", 10, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}}};
};

TEST(Subset, HoldsTheImagesItNames) {
  const Subset set(std::make_shared<Ten>(), {7, 2});
  EXPECT_EQ(set.size(), 2);
  EXPECT_THAT(set.factors()[0].values, ElementsAre(2, 7));
  EXPECT_EQ(set.name(1), "image 2");
  EXPECT_EQ(set.whole_index(0), 7);
  std::vector<uint8_t> scratch;
  EXPECT_EQ(set.image(0, scratch).pixels[0], 7);
}

TEST(SpreadSubset, TakesImagesAtEqualDistances) {
  const auto some = spread_subset(std::make_shared<Ten>(), 4);
  EXPECT_THAT(some.factors()[0].values, ElementsAre(9, 7, 4, 2));
  EXPECT_EQ(spread_subset(std::make_shared<Ten>(), 11).size(), 10);
}

}  // namespace
}  // namespace ipirm::data

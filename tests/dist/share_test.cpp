// Shares cover a batch once, in order; batches that do not divide are refused with the nearest.
#include "ipirm/dist/share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/user_error.h"

namespace ipirm::dist {
namespace {

// A rank of a group that is asked for nothing but its place.
class Place : public Group {
 public:
  Place(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::unique_ptr<Pending> start_sum(const torch::Tensor&) override { throw LostError("none"); }
  torch::Tensor gather(const torch::Tensor&) override { throw LostError("none"); }
  void broadcast(const torch::Tensor&) override { throw LostError("none"); }
  void barrier() override { throw LostError("none"); }

 private:
  int rank_, size_;
};

TEST(Shares, CoverAllRowsOnceInOrder) {
  for (const int size : {1, 2, 3, 4, 7}) {
    for (int64_t n = 0; n < 40; ++n) {
      for (const int64_t least : {1, 2}) {
        int64_t next = 0;
        for (int rank = 0; rank < size; ++rank) {
          const Shares shares(n, Place(rank, size), least);
          EXPECT_EQ(shares.first(), next);
          EXPECT_LE(shares.size(), shares.largest());
          EXPECT_TRUE(shares.size() == 0 || n < least || shares.size() >= least);
          next += shares.size();
        }
        EXPECT_EQ(next, n) << size << " ranks, at least " << least;
      }
    }
  }
}

TEST(Shares, ARanksOrderIsItsPartOfEachBatch) {
  std::vector<int64_t> order(11);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::reverse(order);
  EXPECT_EQ(own_part(order, 4, Place(0, 2)), (std::vector<int64_t>{10, 9, 6, 5, 2, 1}));
  EXPECT_EQ(own_part(order, 4, Place(1, 2)), (std::vector<int64_t>{8, 7, 4, 3, 0}));
  EXPECT_EQ(own_part(order, 4, Place(0, 1)), order);
}

TEST(Shares, ABatchThatDoesNotDivideIsRefusedWithTheNearest) {
  check_divides(7, Place(0, 1));
  check_divides(8, Place(1, 4));
  const auto refusal = [](int64_t batch, int size) {
    return test::user_error([&] { check_divides(batch, Place(0, size)); });
  };
  EXPECT_NE(refusal(255, 2).find("--batch_size 256"), std::string::npos);
  EXPECT_NE(refusal(13, 4).find("--batch_size 12"), std::string::npos);
  EXPECT_NE(refusal(4, 4).find("--batch_size 8"), std::string::npos);
}

}  // namespace
}  // namespace ipirm::dist

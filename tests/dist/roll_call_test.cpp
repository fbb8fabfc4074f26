// Whom a survivor names when the store ends in the middle of its roll call.
#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "dist/backend_group.h"

namespace ipirm::dist {
namespace {

// A store that is gone after so many questions whether a key is there.
class EndingStore : public c10d::HashStore {
 public:
  explicit EndingStore(int questions) : questions_(questions) {}
  bool check(const std::vector<std::string>& keys) override {
    if (questions_-- == 0) throw std::runtime_error("the store is gone");
    return HashStore::check(keys);
  }

 private:
  std::atomic<int> questions_;
};

class BrokenBackend : public c10d::Backend {
 public:
  using Backend::Backend;
  c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions&) override {
    throw std::runtime_error("connection closed");
  }
  void abort() override {}
};

// What rank 2 of so many says when it loses somebody, while these others answer.
std::string said(int size, const std::vector<int>& answering, int questions) {
  const auto store = c10::make_intrusive<EndingStore>(questions);
  for (const int rank : answering) {
    store->set("ipirm_is_here/" + std::to_string(rank), std::vector<uint8_t>{1});
  }
  BackendGroup group(c10::make_intrusive<BrokenBackend>(2, size), Backend(), store);
  try {
    group.barrier();
  } catch (const LostError& error) {
    return error.what();
  }
  return "nothing is lost";
}

TEST(RollCall, NamesTheSilentWhenRankZeroHasAnsweredAndEndedWithItsStore) {
  constexpr int kTwoLooks = 2 * 3;
  EXPECT_NE(said(3, {0}, kTwoLooks).find("is gone: rank 1 (connection closed)"), std::string::npos);
  EXPECT_NE(said(4, {0}, 4).find("is gone: at least one of rank 1, 3 ("), std::string::npos);
}

TEST(RollCall, NamesTheKeeperOfTheStoreWhereItHasNotAnswered) {
  for (const auto& word : {said(3, {}, 6), said(3, {1}, 6), said(3, {0}, 0), said(3, {0}, 2)}) {
    EXPECT_NE(word.find("is gone: rank 0, or whoever started the processes ("), std::string::npos)
        << word;
  }
}

}  // namespace
}  // namespace ipirm::dist

// Work shared out to threads: each unit once, the same results whoever runs them, and no waiting
// for a thread that has nothing in hand.
#include "ops/share_out.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "ipirm/ops/environment_loss.h"
#include "ipirm/ops/partition_risk.h"
#include "ops/operator_inputs.h"
#include "ops/work_pool.h"

namespace ipirm::ops {
namespace {

class ShareOut : public ::testing::TestWithParam<Threads> {
 protected:
  void SetUp() override {
    at::set_num_threads(4);
    use_threads(GetParam());
  }
  void TearDown() override {
    use_threads(Threads::kByLoad);
    at::set_num_threads(threads_);
  }
  const int threads_ = at::get_num_threads();
};
INSTANTIATE_TEST_SUITE_P(Threads, ShareOut,
                         ::testing::Values(Threads::kByLoad, Threads::kOpenMP, Threads::kOwn),
                         [](const auto& test) {
                           return test.param == Threads::kOwn      ? "Own"
                                  : test.param == Threads::kOpenMP ? "OpenMP"
                                                                   : "ByLoad";
                         });

TEST_P(ShareOut, EachUnitRunsOnce) {
  for (const int64_t units : {0, 1, 2, 7, 1000}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(units));
      share_out(units, [&](int64_t unit) { ++runs[static_cast<size_t>(unit)]; });
      for (const auto& run : runs) ASSERT_EQ(run, 1) << units;
    }
  }
  std::vector<int> covered(1000, 0);
  share_out_range(1000, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++covered[static_cast<size_t>(i)];
  });
  EXPECT_EQ(covered, std::vector<int>(1000, 1));
}

TEST_P(ShareOut, UnitsMayShareOutInTheirTurnAndCallersMayBeMany) {
  std::atomic<int64_t> sum{0};
  const auto nested = [&] {
    share_out(8, [&](int64_t i) { share_out(8, [&](int64_t j) { sum += i * 8 + j; }); });
  };
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) callers.emplace_back(nested);
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(sum, 3 * 64 * 63 / 2);
}

TEST_P(ShareOut, TheLowestUnitsErrorIsThrownAndTheOthersRun) {
  std::atomic<int> others{0};
  try {
    share_out(50, [&](int64_t unit) {
      if (unit % 10 == 7) throw std::runtime_error("unit " + std::to_string(unit));
      ++others;
    });
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "unit 7");
  }
  EXPECT_EQ(others, 45);
}

// Both operators that train, at a size that has many units in every sweep.
TEST_P(ShareOut, ResultsAreThoseOfOneThreadToTheBit) {
  const auto all = [] {
    torch::manual_seed(4);
    const auto z1 = unit_rows(700, 24, torch::kFloat32).requires_grad_(true),
               z2 = unit_rows(700, 24, torch::kFloat32).requires_grad_(true);
    const auto [c, p, g] = partition_risk(z1, z2, torch::rand({700, 3}), .5, .4, .5);
    const auto [ec, ep] =
        environment_loss(z1, z2, torch::randint(0, 3, {4, 700}, torch::kInt64), 3, .5, .5);
    const auto grads = torch::autograd::grad({ec.sum() + .3 * ep.sum()}, {z1, z2});
    return std::vector{c, p, g, ec.detach(), ep.detach(), grads[0], grads[1]};
  };
  const auto together = all();
  at::set_num_threads(1);
  const auto alone = all();
  for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(torch::equal(alone[i], together[i])) << i;
}

// A child has none of its parent's threads, and finds the parent's pool in whatever state it was.
TEST(WorkPool, AForkedChildDoesItsWork) {
  const auto sum = [] {
    std::atomic<int64_t> found{0};
    run_in_pool(100, 3, [&](int64_t unit) { found += unit; });
    return found.load();
  };
  ASSERT_EQ(sum(), 4950);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    _exit(sum() == 4950 && sum() == 4950 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(WorkPool, HelpersThatAreHeldUpHoldUpNothingElse) {
  // Three units that wait keep three helpers; the caller of a second job does not wait for them.
  std::atomic<bool> go_on{false};
  std::thread first([&] {
    run_in_pool(4, 4, [&](int64_t) {
      while (!go_on) std::this_thread::yield();
    });
  });
  std::atomic<int> done{0};
  run_in_pool(20, 4, [&](int64_t) { ++done; });
  EXPECT_EQ(done, 20);
  go_on = true;
  first.join();
}

}  // namespace
}  // namespace ipirm::ops

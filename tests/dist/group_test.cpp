// Collectives of 1, 2 and 4 Gloo processes, gradients across ranks by finite differences in
// float64, agreement, and what a rank says of one that is gone.
#include "ipirm/dist/group.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ipirm/dist/check_alike.h"
#include "ipirm/dist/collect.h"
#include "support/ranks.h"
#include "support/user_error.h"

namespace ipirm::dist {
namespace {

using torch::Tensor;

Tensor rows_of(int64_t n) {
  return torch::arange(n * 3, torch::kFloat64).view({n, 3}).mul(.37).sin();
}

TEST(Group, SumsGathersAndBroadcasts) {
  for (const int size : {1, 2, 4}) {
    ranks::run(size, [](Group& group) {
      const auto tensor = torch::full({5}, group.rank() + 1.0);
      group.sum(tensor);
      const double expected = group.is_alone() ? 1 : group.size() * (group.size() + 1) / 2.0;
      EXPECT_TRUE(torch::equal(tensor, torch::full({5}, expected)));
      const auto all = group.gather(torch::full({2, 3}, group.rank(), torch::kInt64));
      EXPECT_EQ(all.size(0), 2 * group.size());
      EXPECT_EQ(all[2 * group.size() - 1][0].item<int64_t>(), group.size() - 1);
      const auto word = torch::full({3}, group.rank() + 7, torch::kInt64);
      group.broadcast(word);
      EXPECT_EQ(word[2].item<int64_t>(), 7);
    });
  }
}

TEST(Group, RowsOfUnequalSharesComeInOrder) {
  ranks::run(4, [](Group& group) {
    for (const int64_t n : {1, 4, 6, 9}) {
      const auto all = rows_of(n);
      const Shares shares(n, group, 2);
      EXPECT_TRUE(torch::equal(gather_rows(group, shares.own(all), shares), all)) << n;
    }
    const auto images = torch::randint(0, 255, {6, 3, 4, 5}, torch::kUInt8)
                            .contiguous(torch::MemoryFormat::ChannelsLast);
    broadcast(group, {images});
    const Shares shares(6, group);
    const auto gathered = gather_rows(group, shares.own(images), shares);
    EXPECT_TRUE(torch::equal(gathered, images));
    EXPECT_TRUE(gathered.is_contiguous(torch::MemoryFormat::ChannelsLast));
  });
}

// A loss of all rows that is no sum over rows.
Tensor loss_of(const Tensor& weight, const Tensor& images, Group& group, const Shares& shares) {
  const auto z = gather_rows(group, shares.own(images).mm(weight).tanh(), shares);
  return z.mm(z.t()).logsumexp(1).square().mean();
}

TEST(Group, GradientsAcrossRanksAgreeWithFiniteDifferences) {
  for (const int size : {1, 2, 4}) {
    ranks::run(size, [](Group& group) {
      const auto images = rows_of(7);
      const auto weight = rows_of(3).requires_grad_();
      const Shares shares(7, group);
      auto gradients = torch::autograd::grad({loss_of(weight, images, group, shares)}, {weight});
      sum_gradients(group, gradients);
      for (int64_t i = 0; i < weight.numel(); ++i) {
        constexpr double kStep = 1e-6;
        const auto moved = [&](double by) {
          const torch::NoGradGuard no_grad;
          auto other = weight.detach().clone();
          other.view({-1})[i] += by;
          return loss_of(other, images, group, shares).item<double>();
        };
        const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
        EXPECT_NEAR(gradients[0].view({-1})[i].item<double>(), expected, 1e-8) << i;
      }
    });
  }
}

TEST(Group, GradientsKeepTheirMemoryFormats) {
  ranks::run(2, [](Group& group) {
    const auto image = torch::arange(120.).view({2, 3, 4, 5});
    std::vector<Tensor> gradients = {image.contiguous(torch::MemoryFormat::ChannelsLast),
                                     image.clone(), torch::full({}, 3.),
                                     torch::full({4}, 2., torch::kFloat64)};
    sum_gradients(group, gradients);
    EXPECT_TRUE(torch::equal(gradients[0], image * 2));
    EXPECT_TRUE(gradients[0].is_contiguous(torch::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(torch::equal(gradients[1], image * 2));
    EXPECT_EQ(gradients[2].item<double>(), 6);
    EXPECT_EQ(gradients[3][3].item<double>(), 4);
  });
}

TEST(Group, EveryRankHasTheFirstOnesTensors) {
  ranks::run(3, [](Group& group) {
    NamedTensors own;
    if (group.is_first())
      own = {{"a", rows_of(2)}, {"empty", torch::empty({0, 2})}, {"n", torch::full({}, 5)}};
    const auto found = from_first(group, own);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].first, "a");
    EXPECT_TRUE(torch::equal(found[0].second, rows_of(2)));
    EXPECT_EQ(found[1].second.sizes(), (torch::IntArrayRef{0, 2}));
    EXPECT_EQ(found[2].second.item<int64_t>(), 5);
  });
}

TEST(Group, InterruptsAndSavesAreDecidedAlike) {
  ranks::run(2, [](Group& group) {
    auto& agreement = group.agreement();
    int saved_at = -1;
    for (int step = 0; step < 6; ++step) {
      EXPECT_FALSE(agreement.stop());
      // The other rank's clock does not count.
      if (agreement.save(group.is_first() ? step == 1 : step == 0)) {
        EXPECT_EQ(saved_at, -1);
        saved_at = step;
      }
    }
    EXPECT_EQ(saved_at, 3);  // asked at step 1, sent at 2, known at 3
    agreement.finish();
  });
}

TEST(Group, WhatDiffersIsNamedInEveryRank) {
  ranks::run(3, [](Group& group) {
    check_alike(group, {{"settings", "a: 1\nb: 2"}, {"data", ""}});
    const auto line = test::user_error([&] {
      check_alike(group, {{"settings", group.rank() == 2 ? "a: 1\nb: 3" : "a: 1\nb: 2"}});
    });
    EXPECT_NE(line.find("rank 2 has other settings than rank 0: 'b: 3', rank 0 'b: 2'"),
              std::string::npos)
        << line;
  });
}

TEST(Group, OtherBitsAreFound) {
  ranks::run(3, [](Group& group) {
    const auto same = rows_of(4);
    check_same(group, same, "rows");
    auto other = same.clone();
    if (group.rank() == 1) other[3][2] += 1e-15;
    std::string line;
    try {
      check_same(group, other, "rows");
    } catch (const std::runtime_error& error) {
      line = error.what();
    }
    EXPECT_NE(line.find("rank 1 has computed other bits than rank 0 (rows)"), std::string::npos)
        << line;
  });
}

TEST(Group, ALostRankIsNamed) {
  const int port = ranks::free_port();
  std::vector<pid_t> children;
  for (int rank = 0; rank < 3; ++rank) {
    const pid_t child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    ::signal(SIGPIPE, SIG_IGN);  // as in the programs: the lost one's connections are closed
    int code = 1;
    try {
      const auto group =
          connect(ranks::launch_of(rank, 3, port), torch::kCPU, std::chrono::seconds(30));
      group->barrier();
      if (rank == 1) ::raise(SIGKILL);
      group->sum(torch::ones({1000}));
    } catch (const LostError& error) {
      code = std::string(error.what()).find("is gone: rank 1 (") == std::string::npos ? 2 : 42;
      if (code == 2) std::fprintf(stderr, "%s\n", error.what());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    if (rank == 0) ::sleep(2);  // it keeps the store, which the other still asks
    ::_exit(code);
  }
  for (const int rank : {0, 2, 1}) {
    int status = 0;
    ::waitpid(children[static_cast<size_t>(rank)], &status, 0);
    if (rank == 1) continue;
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << rank << ": " << status;
  }
}

}  // namespace
}  // namespace ipirm::dist

// The maximization objective, whole maximizations and the set of partitions, against golden values
// and properties.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/functional/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "ipirm/partition/maximizer.h"
#include "ipirm/partition/objective.h"
#include "ipirm/partition/partition_set.h"
#include "support/golden.h"

namespace ipirm::partition {
namespace {

using testing::golden;
using testing::golden_scalar;
using testing::relative_error;

RiskOptions golden_options(const std::string& name) {
  RiskOptions options;
  options.temperature = golden_scalar(name, "temperature");
  options.irm_temperature = golden_scalar(name, "irm_temp");
  options.irm_weight = golden_scalar(name, "irm_weight");
  options.balance.constrain = golden_scalar(name, "constrain") != 0;
  options.balance.constrain_relax = golden_scalar(name, "constrain_relax") != 0;
  return options;
}

bool never() { return false; }

class BatchRisk : public ::testing::TestWithParam<std::string> {};

TEST_P(BatchRisk, Golden) {
  const auto& name = GetParam();
  auto options = golden_options(name);
  options.irm_mode = name == "max_objective_v2" ? IrmMode::kVariance : IrmMode::kPenalty;
  options.balance.nonorm = golden_scalar(name, "nonorm") != 0;
  const auto risk =
      batch_risk(golden(name, "z1"), golden(name, "z2"), golden(name, "split"), options);
  EXPECT_NEAR(risk.risk.item<double>() / golden_scalar(name, "risk"), 1, 1e-9);
  EXPECT_NEAR(risk.contrastive.item<double>() / golden_scalar(name, "contrastive_mean"), 1, 1e-9);
  EXPECT_NEAR(risk.invariance.item<double>() / golden_scalar(name, "invariance"), 1, 1e-9);
  EXPECT_NEAR(risk.balance.item<double>(), golden_scalar(name, "constraint"), 1e-9);
  EXPECT_LT(relative_error(risk.grad, golden(name, "grad_split")), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Cases, BatchRisk,
                         ::testing::Values("max_objective_k2", "max_objective_k3",
                                           "max_objective_nonorm", "max_objective_v2",
                                           "max_objective_large"),
                         [](const auto& test) { return test.param; });

// Float32 gradients within 3e-4 of float64's.
TEST(BatchRiskPrecision, Float32FollowsFloat64) {
  const std::string name = "max_objective_large";
  const auto f32 = [&](const char* array) { return golden(name, array).to(torch::kFloat32); };
  const auto risk = batch_risk(f32("z1"), f32("z2"), f32("split"), golden_options(name));
  EXPECT_LT(relative_error(risk.grad, golden(name, "grad_split")), 3e-4);
}

TEST(Balance, GradientIsThatOfAutograd) {
  torch::manual_seed(1);
  for (const auto& options :
       {BalanceOptions{true, false, false}, BalanceOptions{true, true, false},
        BalanceOptions{true, false, true}, BalanceOptions{false, false, false}}) {
    // Sizes of about 5:1, so that the relaxed form is active.
    const auto weights =
        (torch::randn({9, 2}, torch::kFloat64) + torch::tensor({2., 0.}, torch::kFloat64))
            .softmax(1);
    const auto w = weights.clone().requires_grad_(true);
    const auto mean = w.mean(0), h = -(mean * mean.log()).sum();
    auto value = options.nonorm            ? .2 * (-h - (w * w.log()).sum(1).mean())
                 : options.constrain_relax ? (.6365 - h).clamp_min(0)
                                           : -h;
    if (!options.constrain) value = (w * 0).sum();
    const auto found = balance(weights, options);
    EXPECT_NEAR(found.value.item<double>(), value.item<double>(), 1e-14);
    const auto expected = torch::autograd::grad({value}, {w})[0];
    EXPECT_LT((found.grad - expected).abs().max().item<double>(), 1e-14);
  }
}

class MaximizeOffline : public ::testing::TestWithParam<std::string> {};

TEST_P(MaximizeOffline, Golden) {
  const auto& name = GetParam();
  MaximizeOptions options;
  options.risk = golden_options(name);
  BankSource source(golden(name, "z1"), golden(name, "z2"),
                    static_cast<int64_t>(golden_scalar(name, "batch_size")), golden(name, "order"));
  const auto found =
      maximize(source, golden(name, "split_init"), options, never, [](const PassReport&) {});
  EXPECT_LT(relative_error(found.logits, golden(name, "split_best")), 1e-6);
  EXPECT_LT(relative_error(found.last, golden(name, "split_last")), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Cases, MaximizeOffline,
                         ::testing::Values("maximize_offline", "maximize_offline_k3"),
                         [](const auto& test) { return test.param; });

TEST(MaximizeOfflineMixup, Golden) {
  const std::string name = "maximize_offline_mixup";
  MaximizeOptions options;
  options.risk = golden_options(name);
  BankSource source(golden(name, "z1"), golden(name, "z2"),
                    static_cast<int64_t>(golden_scalar(name, "batch_size")), golden(name, "order"),
                    golden(name, "lam"));
  const auto found =
      maximize(source, golden(name, "split_init"), options, never, [](const PassReport&) {});
  EXPECT_LT(relative_error(found.logits, golden(name, "split_best")), 1e-6);
  EXPECT_LT(relative_error(found.last, golden(name, "split_last")), 1e-6);
}

class MixedRisk : public ::testing::TestWithParam<std::string> {};

TEST_P(MixedRisk, Golden) {
  const auto& name = GetParam();
  RiskOptions options;
  options.temperature = golden_scalar(name, "temperature");
  options.irm_weight = golden_scalar(name, "irm_weight");
  options.balance.nonorm = golden_scalar(name, "nonorm") != 0;
  const bool online = name == "mixup_soft_online";
  const loss::Mix mix{golden(name, "lam"), online ? golden(name, "labels_aux") : torch::Tensor()};
  const auto z1 = golden(name, "z1"), z2 = golden(name, "z2"), logits = golden(name, "split");
  const auto risk = batch_risk(z1, z2, logits, options, std::nullopt, mix);
  EXPECT_NEAR(risk.risk.item<double>() / golden_scalar(name, "risk"), 1, 1e-9);
  EXPECT_LT(relative_error(risk.grad, golden(name, "grad_split")), 1e-9);
  // The same rows chosen from a bank that holds more.
  const auto order = torch::arange(z1.size(0) - 1, -1, -1);
  const auto more = [&](const torch::Tensor& z) { return z.index_select(0, order); };
  const auto chosen = batch_risk(more(z1), more(z2), logits, options, order, mix);
  EXPECT_TRUE(torch::equal(chosen.grad, risk.grad));
}

INSTANTIATE_TEST_SUITE_P(Cases, MixedRisk,
                         ::testing::Values("mixup_soft_offline", "mixup_soft_offline_nonorm",
                                           "mixup_soft_online"),
                         [](const auto& test) { return test.param; });

// Two groups whose views agree only inside their group: the search must find a worse risk than it
// started from, and report exactly the passes that the stopping rule allows.
TEST(Maximize, RiskFallsAndTheStoppingRuleHolds) {
  torch::manual_seed(3);
  const auto unit = [](torch::Tensor t) { return torch::nn::functional::normalize(t); };
  const auto z1 = unit(torch::randn({60, 8}, torch::kFloat64)),
             z2 = unit(z1 + .3 * torch::randn({60, 8}, torch::kFloat64));
  MaximizeOptions options;
  options.risk.balance.constrain = true;
  BankSource source(z1, z2, 20, true, 7, 0);
  std::vector<PassReport> reports;
  const auto found = maximize(source, random_logits(60, 2, 7, 0).to(torch::kFloat64), options,
                              never, [&](const PassReport& r) { reports.push_back(r); });
  ASSERT_EQ(found.passes, static_cast<int64_t>(reports.size()));
  EXPECT_LT(found.best_risk, reports.front().risk);
  EXPECT_GE(found.passes, 52);
  EXPECT_LE(found.passes, 61);
  for (const auto& r : reports) EXPECT_GE(r.risk, found.best_risk);
  EXPECT_EQ(reports[static_cast<size_t>(found.best_pass)].risk, found.best_risk);
  EXPECT_TRUE(found.passes == 61 || found.passes - 1 - found.best_pass >= 5);
}

TEST(Maximize, StopsWhereAsked) {
  const std::string name = "maximize_offline";
  MaximizeOptions options;
  options.risk = golden_options(name);
  BankSource source(golden(name, "z1"), golden(name, "z2"), 20, golden(name, "order"));
  int64_t passes = 0;
  const auto found = maximize(
      source, golden(name, "split_init"), options, [&] { return passes == 2; },
      [&](const PassReport&) { ++passes; });
  EXPECT_TRUE(found.interrupted);
  EXPECT_EQ(passes, 2);
}

// A search goes on from the state after any pass to the same bits.
TEST(Maximize, GoesOnFromItsState) {
  const std::string name = "maximize_offline";
  MaximizeOptions options;
  options.risk = golden_options(name);
  options.passes = 9;
  const auto source = [&] {
    return BankSource(golden(name, "z1"), golden(name, "z2"), 20, /*shuffle=*/true, 3, 1);
  };
  auto whole_source = source();
  std::vector<double> whole_risks, risks;
  const auto whole = maximize(whole_source, golden(name, "split_init"), options, never,
                              [&](const PassReport& r) { whole_risks.push_back(r.risk); });
  auto state = new_search(golden(name, "split_init"));
  for (const size_t stop : {1u, 4u, 8u, 99u}) {
    auto again = source();
    const auto found = maximize(
        again, state, options, [&] { return risks.size() == stop; },
        [&](const PassReport& r) { risks.push_back(r.risk); });
    EXPECT_EQ(found.interrupted, stop != 99u);
    if (stop != 99u) continue;
    EXPECT_TRUE(torch::equal(found.logits, whole.logits));
    EXPECT_TRUE(torch::equal(found.last, whole.last));
  }
  EXPECT_EQ(risks, whole_risks);
}

// Hard weights, one environment empty: nothing is lost to 0 times infinity.
TEST(BatchRiskProperties, HardPartitionsHaveFiniteGradients) {
  const std::string name = "max_objective_k2";
  const auto z1 = golden(name, "z1").to(torch::kFloat32),
             z2 = golden(name, "z2").to(torch::kFloat32);
  for (const double gap : {30., 80., 200.}) {
    const auto logits = torch::tensor({0.f, static_cast<float>(gap)}).repeat({z1.size(0), 1});
    for (const auto& balance :
         {BalanceOptions{true, false, false}, BalanceOptions{true, true, false},
          BalanceOptions{true, false, true}}) {
      RiskOptions options;
      options.balance = balance;
      const auto risk = batch_risk(z1, z2, logits, options);
      EXPECT_TRUE(risk.risk.isfinite().item<bool>()) << gap;
      EXPECT_TRUE(risk.grad.isfinite().all().item<bool>()) << gap;
    }
  }
}

TEST(Maximize, FeaturesThatAreNotFiniteAreReported) {
  auto z = torch::randn({10, 4});
  z[3][1] = std::numeric_limits<float>::quiet_NaN();
  BankSource source(z, z, 10, false, 1, 0);
  EXPECT_THROW(maximize(source, random_logits(10, 2, 1, 0), {}, never, [](const PassReport&) {}),
               NotFiniteError);
}

TEST(BankSource, EveryPassVisitsEverySampleOnceInItsOwnOrder) {
  const auto z = torch::randn({50, 3});
  BankSource source(z, z, 20, true, 5, 2), again(z, z, 20, true, 5, 2);
  torch::Tensor first;
  for (int64_t pass = 0; pass < 2; ++pass) {
    source.start_pass(pass);
    again.start_pass(pass);
    std::vector<torch::Tensor> seen;
    while (const auto batch = source.next()) {
      EXPECT_TRUE(torch::equal(batch->index, again.next()->index));
      EXPECT_TRUE(
          torch::equal(batch->z1.index_select(0, *batch->rows), z.index_select(0, batch->index)));
      seen.push_back(batch->index);
    }
    ASSERT_EQ(seen.size(), 3u);
    const auto all = torch::cat(seen);
    EXPECT_TRUE(torch::equal(std::get<0>(all.sort()), torch::arange(50)));
    if (pass == 0) first = all;
    EXPECT_EQ(torch::equal(all, first), pass == 0);
  }
}

TEST(PartitionSet, KeepsAllOrTheNewest) {
  const auto a = torch::tensor({{1.f, 0.f}, {0.f, 1.f}}),
             b = torch::tensor({{0.f, 1.f}, {0.f, 1.f}});
  for (const bool retain : {true, false}) {
    PartitionSet set(retain, torch::kCPU);
    EXPECT_TRUE(set.empty());
    set.add(a);
    set.add(b);
    EXPECT_EQ(set.size(), retain ? 2 : 1);
    const auto environments = set.environments(torch::tensor({1, 0}));
    EXPECT_TRUE(torch::equal(environments,
                             retain ? torch::tensor({{1, 0}, {1, 1}}) : torch::tensor({{1, 1}})));
  }
}

// What a resumed run adds again, oldest first, is what the run itself had kept.
TEST(PartitionSet, KeepsTheNewestFew) {
  PartitionSet set(true, torch::kCPU, 2), again(true, torch::kCPU, 2);
  for (int64_t i = 0; i < 4; ++i) set.add(torch::eye(4).roll(i, 1).slice(0, 0, 3));
  EXPECT_EQ(set.size(), 2);
  for (const auto& logits : set.logits()) again.add(logits);
  const auto index = torch::tensor({0, 2});
  EXPECT_TRUE(torch::equal(set.environments(index), torch::tensor({{2, 0}, {3, 1}})));
  EXPECT_TRUE(torch::equal(again.environments(index), set.environments(index)));
  EXPECT_EQ(PartitionSet(false, torch::kCPU, 2).size(), 0);
}

TEST(RandomLogits, AreStandardNormalAndKeyed) {
  const auto logits = random_logits(20000, 2, 1, 0);
  EXPECT_NEAR(logits.mean().item<double>(), 0, .02);
  EXPECT_NEAR(logits.std().item<double>(), 1, .02);
  EXPECT_TRUE(torch::equal(logits, random_logits(20000, 2, 1, 0)));
  EXPECT_FALSE(torch::equal(logits, random_logits(20000, 2, 1, 1)));
  EXPECT_FALSE(torch::equal(logits, random_logits(20000, 2, 2, 0)));
}

}  // namespace
}  // namespace ipirm::partition

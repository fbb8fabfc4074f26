// Searches that 1, 2 and 4 processes make together beside those of one: the
// same risks and partitions up to rounding, and the same bits in every rank.
#include "ipirm/train/search_team.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "eval/toy_set.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/partition/maximizer.h"
#include "ipirm/partition/objective.h"
#include "ipirm/train/partition_source.h"
#include "ops/risk_implementations.h"
#include "support/ranks.h"

namespace ipirm::train {
namespace {

using torch::Tensor;

constexpr int64_t kSamples = 130;  // three blocks of the kernels a view, the last one not full
// Relative; of a batch, and of several passes.
constexpr double kRounding64 = 1e-9, kRounding32 = 1e-5;

std::shared_ptr<dist::Group> shared(dist::Group& group) {
  return {&group, [](dist::Group*) {}};
}

Tensor features(double phase, torch::ScalarType type) {
  const auto z = (torch::arange(kSamples * 8, torch::kFloat64) * .731 + phase).sin();
  const auto rows = z.view({kSamples, 8});
  return (rows / rows.norm(2, 1, /*keepdim=*/true)).to(type);
}

Tensor logits(int64_t num_env, torch::ScalarType type) {
  return partition::random_logits(kSamples, num_env, 5, 1).to(type);
}

void expect_close(const Tensor& found, const Tensor& expected, double tolerance, const char* what) {
  const double scale = expected.abs().max().item<double>();
  EXPECT_LT((found - expected).abs().max().item<double>(), tolerance * scale) << what;
}

struct Kind {
  const char* name;
  partition::RiskOptions risk;
  bool mixed = false, partners = false;
};

std::vector<Kind> kinds() {
  partition::RiskOptions penalty, two_temperatures, cold, variance, even;
  two_temperatures.irm_temperature = .3;
  cold.temperature = cold.irm_temperature = .01;  // exponents are shifted by their rows' maximum
  variance.irm_mode = partition::IrmMode::kVariance;
  even.balance = {.constrain = true, .constrain_relax = false, .nonorm = true};
  return {{"penalty", penalty},
          {"two temperatures", two_temperatures},
          {"cold", cold},
          {"variance", variance},
          {"nonorm", even},
          {"MixUp offline", penalty, true},
          {"MixUp online", penalty, true, true}};
}

std::optional<loss::Mix> mix_of(const Kind& kind, torch::ScalarType type) {
  if (!kind.mixed) return std::nullopt;
  const auto lam = (torch::arange(kSamples, torch::kFloat64) * .37).sin().square().to(type);
  return loss::Mix{lam, kind.partners ? (torch::arange(kSamples) * 7 + 3) % kSamples : Tensor()};
}

TEST(SearchTeam, TheRiskOfABatchIsThatOfOneProcess) {
  for (const int size : {1, 2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      const auto team = team_of(shared(group));
      EXPECT_EQ(static_cast<bool>(team), !group.is_alone());
      for (const auto type : {torch::kFloat64, torch::kFloat32}) {
        const double tolerance = type == torch::kFloat64 ? kRounding64 : kRounding32;
        const auto z1 = features(0, type), z2 = features(.4, type), split = logits(3, type);
        for (const auto& kind : kinds()) {
          SCOPED_TRACE(kind.name);
          const auto mix = mix_of(kind, type);
          const auto risk = [&](const ops::TeamPointer& members) {
            return partition::batch_risk(z1, z2, split, kind.risk, std::nullopt, mix, members);
          };
          const auto found = risk(team), expected = risk({});
          expect_close(found.risk, expected.risk, tolerance, "risk");
          expect_close(found.grad, expected.grad, tolerance, "gradient");
          dist::check_same(group, found.grad, "gradient");
        }
      }
    });
  }
}

// The forms that devices without kernels of their own compute.
TEST(SearchTeam, AtensRiskIsThatOfOneProcess) {
  ranks::run(3, [](dist::Group& group) {
    const auto team = team_of(shared(group));
    const auto type = torch::kFloat64;
    const auto z1 = features(0, type), z2 = features(.4, type), w = logits(2, type).softmax(1);
    const auto index = torch::arange(kSamples - 1, -1, -1);
    const auto compare = [&](const auto& found, const auto& expected) {
      expect_close(std::get<0>(found), std::get<0>(expected), kRounding64, "contrastive");
      expect_close(std::get<1>(found), std::get<1>(expected), kRounding64, "penalty");
      expect_close(std::get<2>(found), std::get<2>(expected), kRounding64, "gradient");
    };
    for (const double irm_temperature : {.5, .2}) {
      compare(
          ops::aten::shared_partition_risk(z1, z2, w, .5, irm_temperature, .7, false, index, team),
          ops::aten::partition_risk(z1, z2, w, .5, irm_temperature, .7, false, index));
    }
    const auto mix = *mix_of({"", {}, true, true}, type);
    for (const auto& partner : {std::optional<Tensor>(), std::optional(mix.partner)}) {
      compare(
          ops::aten::shared_partition_risk_mixup(z1, z2, w, mix.lam, partner, .5, .7, false, team),
          ops::aten::partition_risk_mixup(z1, z2, w, mix.lam, partner, .5, .7, false));
    }
  });
}

TEST(SearchTeam, SearchesInBatchesAndInOneAreThoseOfOneProcess) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      for (const auto type : {torch::kFloat64, torch::kFloat32}) {
        for (const int64_t batch_size : {60, 0}) {
          partition::MaximizeOptions options;
          options.passes = 8;
          options.risk.balance.constrain = true;
          std::vector<double> risks, expected_risks;
          const auto search = [&](const ops::TeamPointer& team, std::vector<double>& into) {
            partition::BankSource bank(features(0, type), features(.4, type), batch_size,
                                       /*shuffle=*/true, 3, 1);
            auto state = partition::new_search(logits(2, type));
            return partition::maximize(
                bank, state, options, [] { return false; },
                [&](const partition::PassReport& pass) {
                  into.push_back(pass.risk);
                  if (team) dist::check_same(group, state.logits, "logits");
                },
                team);
          };
          const double tolerance = type == torch::kFloat64 ? kRounding64 : kRounding32;
          const auto found = search(team_of(shared(group)), risks);
          const auto expected = search({}, expected_risks);
          expect_close(found.logits, expected.logits, tolerance, "best logits");
          expect_close(found.last, expected.last, tolerance, "last logits");
          EXPECT_EQ(found.best_pass, expected.best_pass);
          ASSERT_EQ(risks.size(), expected_risks.size());
          for (size_t pass = 0; pass < risks.size(); ++pass)
            EXPECT_NEAR(risks[pass] / expected_risks[pass], 1, tolerance);
        }
      }
    });
  }
}

RunState small_state() {
  torch::manual_seed(3);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  model->forward(torch::randn({8, 3, 16, 16}));  // running statistics other than 0 and 1
  ops::Adam adam(model->parameters(), {.lr = 1e-3});
  return {model, std::move(adam), partition::PartitionSet(false, torch::kCPU), {}, {}, {}, ""};
}

// With views and a network: what each rank embeds, mixes and searches is one
// search.
TEST(SearchTeam, OnlineAndOfflineSearchesAreThoseOfOneProcess) {
  ranks::run(2, [](dist::Group& group) {
    const auto set = std::make_shared<test::ToySet>(45, 4);
    for (const bool offline : {true, false}) {
      for (const bool mixup : {false, true}) {
        SCOPED_TRACE(offline ? "offline" : "online");
        SCOPED_TRACE(mixup ? "MixUp" : "plain");
        partition::MaximizeOptions options;
        options.offline = offline;
        options.mixup = mixup;
        options.passes = 3;
        options.batch_size = 15;
        const auto search = [&](std::shared_ptr<dist::Group> ranks) {
          ViewSource views;
          views.set = set;
          views.group = std::move(ranks);
          views.augment.crop_size = 16;
          views.loader.workers = 1;
          auto state = small_state();
          return make_search(options, views, /*chunk=*/8, /*bf16=*/false)
              ->partition(state, 1, [](const partition::PassReport&) {})
              .value();
        };
        const auto found = search(shared(group)), expected = search(dist::alone());
        EXPECT_NEAR(found.best_risk / expected.best_risk, 1, kRounding32);
        expect_close(found.logits, expected.logits, kRounding32, "logits");
      }
    }
  });
}

}  // namespace
}  // namespace ipirm::train

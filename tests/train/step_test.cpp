// The plan, the step history and the minimization step.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/optim.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "ipirm/model/autocast.h"
#include "ipirm/train/plan.h"
#include "ipirm/train/step.h"
#include "ipirm/train/step_history.h"
#include "ipirm/train/views.h"
#include "support/golden.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

TEST(Plan, PenaltyWeight) {
  TrainOptions options;
  options.penalty_weight = .4;
  options.penalty_iters = 3;
  options.epochs = 5;
  EXPECT_EQ(Plan(options).penalty_weight(2), 0);
  EXPECT_EQ(Plan(options).penalty_weight(3), .4);
  options.penalty_iters = 0;
  options.increasing_weight = true;
  EXPECT_EQ(Plan(options).penalty_weight(1), 0);
  EXPECT_DOUBLE_EQ(Plan(options).penalty_weight(3), .2);
  EXPECT_DOUBLE_EQ(Plan(options).penalty_weight(5), .4);
  options.epochs = 1;
  EXPECT_EQ(Plan(options).penalty_weight(1), .4);
}

TEST(Plan, WhatIsDue) {
  TrainOptions options;
  options.epochs = 7;
  options.maximize_iter = 3;
  options.eval_every = 2;
  options.save_every = 5;
  options.log_every = 4;
  const Plan plan(options);
  for (int64_t e = 1; e <= 7; ++e) {
    EXPECT_EQ(plan.maximize_due(e), e == 3 || e == 6);
    EXPECT_EQ(plan.evaluate_due(e), e % 2 == 0);
    EXPECT_EQ(plan.checkpoint_due(e), e == 5 || e == 7);
    EXPECT_EQ(plan.log_due(e), e == 1 || e == 5);  // steps of an epoch
  }
}

TEST(StepHistory, GivesBackEachStepOnceInOrder) {
  StepHistory history(3, torch::kCPU);
  const auto terms = [](float x) {
    const auto t = torch::full({}, x);
    return loss::NamedTerms{{"loss", t}, {"spread", t + .25f}};
  };
  history.add(terms(1));
  history.add(terms(2));
  EXPECT_FALSE(history.full());
  const auto steps = history.take();
  ASSERT_EQ(steps.size(), 2u);
  ASSERT_EQ(steps[1].size(), 2u);
  EXPECT_EQ(steps[1][0].name, "loss");
  EXPECT_EQ(steps[1][0].value, 2);
  EXPECT_EQ(steps[1][1].name, "spread");
  EXPECT_EQ(steps[1][1].value, 2.25);
  EXPECT_TRUE(history.take().empty());
}

// The step in channels-last equals plain autograd and torch's own Adam on an ordinary copy of the
// network.
TEST(Step, FollowsAutogradAndTorchAdam) {
  const auto make = [] {
    torch::manual_seed(4);
    model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    model->to(torch::kFloat64);
    return model;
  };
  auto model = make(), plain = make();
  model::use_channels_last(*model);
  ops::Adam adam(model->parameters(), {.lr = 1e-3, .weight_decay = 1e-2});
  torch::optim::Adam plain_adam(plain->parameters(),
                                torch::optim::AdamOptions(1e-3).weight_decay(1e-2));
  loss::LossOptions options;
  options.keep_cont = true;
  for (int step = 0; step < 3; ++step) {
    torch::manual_seed(10 + step);
    const auto v1 = torch::randn({12, 3, 16, 16}, torch::kFloat64),
               v2 = torch::randn({12, 3, 16, 16}, torch::kFloat64);
    const auto environment = torch::randint(0, 2, {2, 12}, torch::kInt64);
    const auto terms =
        make_step(options, {})
            ->run(model, adam,
                  {v1.contiguous(torch::MemoryFormat::ChannelsLast),
                   v2.contiguous(torch::MemoryFormat::ChannelsLast), environment, .3});
    const auto expected = loss::minimize_objective(
        plain->forward(v1).projection, plain->forward(v2).projection, environment, .3, options);
    plain_adam.zero_grad();
    expected.loss.backward();
    plain_adam.step();
    EXPECT_NEAR(value_of(terms, "loss").item<double>() / expected.loss.item<double>(), 1, 1e-9)
        << step;
  }
  for (size_t i = 0; i < model->parameters().size(); ++i) {
    EXPECT_LT(testing::relative_error(model->parameters()[i], plain->parameters()[i]), 1e-6) << i;
  }
}

// Offline features do not depend on the chunk they were embedded in, nor on the number of workers.
TEST(EmbedViews, DependsOnTheKeyAlone) {
  torch::set_num_threads(1);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  ViewSource source{std::make_shared<RandomImages>(30), {}, {}, 9};
  source.augment.crop_size = 16;
  source.loader.workers = 1;
  const auto bank = embed_views(model, source, {}, 5, 30, false);
  source.loader.workers = 3;
  const auto chunked = embed_views(model, source, {}, 5, 7, false);
  EXPECT_LT(testing::relative_error(chunked.z1, bank.z1), 1e-5);
  EXPECT_LT(testing::relative_error(chunked.z2, bank.z2), 1e-5);
  EXPECT_FALSE(torch::allclose(bank.z1, embed_views(model, source, {}, 6, 30, false).z1));
  EXPECT_FALSE(torch::allclose(bank.z1, bank.z2));
  EXPECT_TRUE(model->is_training());
}

TEST(Step, Bf16StaysNearFp32) {
  torch::manual_seed(4);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  ops::Adam adam(model->parameters(), {.lr = 1e-9});
  loss::LossOptions options;
  options.baseline = true;
  const auto v1 = torch::randn({8, 3, 16, 16}), v2 = torch::randn({8, 3, 16, 16});
  const auto loss_in = [&](bool bf16) {
    const auto terms = make_step(options, {.bf16 = bf16})->run(model, adam, {v1, v2});
    return value_of(terms, "loss").item<double>();
  };
  const double fp32 = loss_in(false), bf16 = loss_in(true);
  EXPECT_NEAR(bf16 / fp32, 1, .02);  // bfloat16 keeps 8 bits
  EXPECT_NE(bf16, fp32);
}

}  // namespace
}  // namespace ipirm::train

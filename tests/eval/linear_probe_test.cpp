// Tests of the feature bank and the linear evaluation on a toy set, with a small encoder.
#include "ipirm/eval/linear_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/toy_set.h"
#include "ipirm/augment/recipe.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::eval {
namespace {

using test::ToySet;
using ::testing::HasSubstr;

model::Model small_model() {
  torch::manual_seed(11);
  return model::Model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
}

std::vector<torch::Tensor> copies(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> result;
  for (const torch::Tensor& t : tensors) result.push_back(t.detach().clone());
  return result;
}

bool all_equal(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!torch::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

// The test views of a set, made without the loader.
torch::Tensor plain_views(const data::ImageSet& set, int side) {
  torch::Tensor views = torch::empty({set.size(), 3, side, side});
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < set.size(); ++i)
    augment::make_plain_view(set.image(i, scratch), {views[i].data_ptr<float>(), side * side, 1});
  return views;
}

// The colour must survive the augmentation here, as it is the class.
augment::AugmentOptions colour_keeping() {
  augment::AugmentOptions options;
  options.crop_size = 16;
  options.jitter_probability = 0;
  options.grayscale = 0;
  return options;
}

std::vector<LinearEpoch> probe(model::Model& model, const LinearOptions& options, int workers = 2,
                               const augment::AugmentOptions& augment = colour_keeping(),
                               int factor = 0) {
  const ToySet train(100, 1), test(30, 2);
  RunOptions run;
  run.loader.workers = workers;
  run.batch_size = 16;
  LinearProbe probe(model, train, test, options, augment, run);
  std::vector<LinearEpoch> epochs;
  for (int64_t e = 1; e <= options.epochs; ++e)
    epochs.push_back(probe.epoch(e).value()[static_cast<size_t>(factor)]);
  return epochs;
}

bool same_numbers(const LinearEpoch& a, const LinearEpoch& b) {
  return a.epoch == b.epoch && a.train_loss == b.train_loss && a.train_top1 == b.train_top1 &&
         a.train_top5 == b.train_top5 && a.test_loss == b.test_loss && a.test_top1 == b.test_top1 &&
         a.test_top5 == b.test_top5;
}

TEST(FeatureBank, EqualsTheForwardPassOfTheTestViews) {
  const ToySet set(21, 3);
  model::Model model = small_model();
  model->forward(torch::randn({4, 3, 16, 16}));  // running statistics other than 0 and 1
  RunOptions run;
  run.batch_size = 8;  // the last batch has 5
  const torch::Tensor bank = embed_test_views(model, set, run, "bank");
  EXPECT_TRUE(model->is_training());
  EXPECT_FALSE(bank.requires_grad());

  model->eval();
  torch::NoGradGuard no_grad;
  const torch::Tensor views = plain_views(set, 16);
  EXPECT_TRUE(torch::allclose(bank, model->forward(views).feature, 1e-5, 1e-6));

  run.loader.channels_last = true;
  EXPECT_TRUE(torch::allclose(bank, embed_test_views(model, set, run, "bank"), 1e-5, 1e-6));
  EXPECT_FALSE(model->is_training());
  run.bf16 = true;
  const torch::Tensor rounded = embed_test_views(model, set, run, "bank");
  EXPECT_EQ(rounded.scalar_type(), torch::kFloat32);
  EXPECT_LT((rounded - bank).norm(2, 1).max().item<double>(), 0.1);
  EXPECT_FALSE(torch::equal(rounded, bank));
}

TEST(FeatureBank, RefusesImagesOfTwoSizes) {
  ToySet set(5, 3);
  set.odd_one = 3;
  model::Model model = small_model();
  try {
    embed_test_views(model, set, RunOptions{}, "bank");
    FAIL() << "no error";
  } catch (const core::UserError& error) {
    EXPECT_STREQ(error.what(), "image 3 is 16x15; expected the size of image 0, 16x16");
  }
  EXPECT_TRUE(model->is_training());
}

TEST(LinearProbe, LearnsAColourThatAnyEncoderShows) {
  model::Model model = small_model();
  const auto epochs = probe(model, {.epochs = 25, .batch_size = 25, .lr = {1e-2}});
  ASSERT_EQ(epochs.size(), 25u);
  EXPECT_EQ(epochs.front().epoch, 1);
  EXPECT_EQ(epochs.back().epoch, 25);
  EXPECT_GT(epochs.back().train_top1, 95);
  EXPECT_GT(epochs.back().test_top1, 95);
  EXPECT_LT(epochs.back().train_loss, 0.5 * epochs.front().train_loss);
  EXPECT_EQ(epochs.back().test_top5, 100);  // of three classes
}

TEST(LinearProbe, NumbersOfTheUntrainedClassifierAreItsOwn) {
  // With a step of zero every epoch sees the same classifier, and with frozen statistics the same
  // test features.
  model::Model model = small_model();
  const auto epochs =
      probe(model, {.epochs = 2, .batch_size = 16, .lr = {0}, .bn = BatchNormMode::kEval});
  EXPECT_EQ(epochs[0].test_loss, epochs[1].test_loss);
  EXPECT_EQ(epochs[0].test_top1, epochs[1].test_top1);
  EXPECT_NE(epochs[0].train_loss, epochs[1].train_loss)
      << "the views must differ from epoch to epoch";
  augment::AugmentOptions none;
  none.recipe = augment::Recipe::kNone;
  const auto plain =
      probe(model, {.epochs = 2, .batch_size = 16, .lr = {0}, .bn = BatchNormMode::kEval}, 2, none);
  EXPECT_NEAR(plain[0].train_loss, plain[1].train_loss, 1e-6);
  EXPECT_EQ(plain[0].test_loss, epochs[0].test_loss);
}

TEST(LinearProbe, TrainingAndTestNumbersAgreeOnTheSameViews) {
  const ToySet set(50, 1);
  model::Model model = small_model();
  augment::AugmentOptions none;
  none.recipe = augment::Recipe::kNone;
  const LinearOptions options{.epochs = 1, .batch_size = 16, .lr = {0}, .bn = BatchNormMode::kEval};
  LinearProbe probe(model, set, set, options, none, RunOptions{});
  const auto results = probe.epoch(1).value();
  ASSERT_EQ(results.size(), 2u);
  for (const LinearEpoch& epoch : results) {
    EXPECT_NEAR(epoch.train_loss, epoch.test_loss, 1e-6);
    EXPECT_EQ(epoch.train_top1, epoch.test_top1);
    EXPECT_GT(epoch.train_loss, 0.5);  // of log 3 or log 2 for a classifier that knows nothing
  }
}

TEST(LinearProbe, LearnsEveryFactorOnOneEncoder) {
  model::Model model = small_model();
  augment::AugmentOptions none;
  none.recipe = augment::Recipe::kNone;
  const LinearOptions options{
      .epochs = 25, .batch_size = 25, .lr = {0.1}, .bn = BatchNormMode::kEval};
  const auto epochs = probe(model, options, 2, none, /*factor=*/1);
  EXPECT_GT(epochs.back().test_top1, 95);
}

TEST(LinearProbe, FrozenBatchNormStaysBitForBit) {
  model::Model model = small_model();
  const auto parameters = copies(model->parameters()), buffers = copies(model->buffers());
  probe(model, {.epochs = 1, .batch_size = 16, .bn = BatchNormMode::kEval});
  EXPECT_TRUE(all_equal(model->parameters(), parameters));
  EXPECT_TRUE(all_equal(model->buffers(), buffers));
  EXPECT_TRUE(model->is_training());
}

TEST(LinearProbe, TrainedBatchNormDriftsAndNothingElseMoves) {
  model::Model model = small_model();
  model->eval();
  const auto parameters = copies(model->parameters());
  const torch::Tensor mean = model->named_buffers()["f.1.running_mean"].clone();
  const torch::Tensor head_mean = model->named_buffers()["g.1.running_mean"].clone();
  probe(model, {.epochs = 2, .batch_size = 16, .bn = BatchNormMode::kTrain});
  EXPECT_TRUE(all_equal(model->parameters(), parameters));
  for (const torch::Tensor& p : model->parameters()) EXPECT_FALSE(p.grad().defined());
  EXPECT_FALSE(torch::equal(model->named_buffers()["f.1.running_mean"], mean));
  EXPECT_TRUE(torch::equal(model->named_buffers()["g.1.running_mean"], head_mean));
  // 100 images in batches of 16, the last of 4 kept: 7 an epoch; testing counts none.
  EXPECT_EQ(model->named_buffers()["f.1.num_batches_tracked"].item<int64_t>(), 14);
  EXPECT_FALSE(model->is_training());
}

TEST(LinearProbe, SeedAloneDecidesTheNumbers) {
  const auto run = [](uint64_t seed, int workers) {
    model::Model model = small_model();
    torch::manual_seed(workers);  // what torch's own generator holds is of no matter
    return probe(model, {.epochs = 1, .batch_size = 16, .seed = seed}, workers)[0];
  };
  const LinearEpoch first = run(5, 1);
  EXPECT_TRUE(same_numbers(first, run(5, 3)));
  EXPECT_FALSE(same_numbers(first, run(6, 1)));
}

// One epoch, its state taken over by a probe on a fresh model, two more: to the bit what three
// epochs in a row give, for both factors, in numbers and in all that a fourth epoch would need.
class ResumedProbe : public ::testing::TestWithParam<BatchNormMode> {
 protected:
  const ToySet train_{100, 1}, test_{30, 2};
  const LinearOptions options_{.epochs = 3, .batch_size = 16, .lr = {1e-2}, .bn = GetParam()};

  LinearProbe probe(model::Model& model) const {
    return LinearProbe(model, train_, test_, options_, colour_keeping(), RunOptions{});
  }
};

TEST_P(ResumedProbe, EqualsOneThatWasNotStopped) {
  model::Model whole_model = small_model(), first_model = small_model(), model = small_model();
  LinearProbe whole = probe(whole_model), first = probe(first_model), resumed = probe(model);
  NamedTensors saved;
  first.epoch(1);
  for (const auto& [name, tensor] : first.state()) saved.emplace_back(name, tensor.clone());
  first.epoch(2);  // must not reach into the copy
  resumed.restore(saved, "state");
  whole.epoch(1);
  for (int64_t e = 2; e <= 3; ++e) {
    const auto expected = whole.epoch(e).value(), found = resumed.epoch(e).value();
    ASSERT_EQ(found.size(), 2u);
    for (size_t f = 0; f < 2; ++f) EXPECT_TRUE(same_numbers(found[f], expected[f])) << e << f;
  }
  const NamedTensors a = whole.state(), b = resumed.state();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_TRUE(torch::equal(a[i].second, b[i].second)) << a[i].first;
  }
  EXPECT_TRUE(all_equal(model->buffers(), whole_model->buffers()));
  EXPECT_TRUE(all_equal(model->parameters(), whole_model->parameters()));
}

// What is left out of a state shows: each of its tensors is needed.
TEST_P(ResumedProbe, NeedsEveryTensorOfTheState) {
  model::Model model = small_model();
  LinearProbe whole = probe(model);
  whole.epoch(1);
  const NamedTensors saved = whole.state();
  std::vector<std::string> names;
  for (size_t i = 0; i < saved.size(); ++i) {
    const std::string& name = saved[i].first;
    names.push_back(name.substr(0, name.find('.')));
    for (const bool misshapen : {false, true}) {
      NamedTensors damaged = saved;
      if (misshapen) {
        damaged[i].second = torch::zeros({1, 1, 7});
      } else {
        damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(i));
      }
      try {
        whole.restore(damaged, "x.pt");
        FAIL() << name;
      } catch (const core::UserError& error) {
        EXPECT_THAT(error.what(), HasSubstr("x.pt: '" + name + "' is missing or of another shape"));
      }
    }
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "classifier"), 4);  // two factors' weight, bias
  EXPECT_EQ(std::count(names.begin(), names.end(), "adam_step"), 4);
  // A frozen encoder has nothing to save; else three statistics of each of ResNet-18's 20 norms.
  EXPECT_EQ(std::count(names.begin(), names.end(), "module"),
            GetParam() == BatchNormMode::kTrain ? 60 : 0);
}

INSTANTIATE_TEST_SUITE_P(BatchNorm, ResumedProbe,
                         ::testing::Values(BatchNormMode::kTrain, BatchNormMode::kEval),
                         [](const auto& test) { return core::name_of(test.param); });

TEST(LinearProbe, NamesMistakes) {
  const auto message = [](const ToySet& train, const ToySet& test) -> std::string {
    model::Model model = small_model();
    LinearOptions options;
    try {
      LinearProbe(model, train, test, options, colour_keeping(), RunOptions{});
    } catch (const core::UserError& error) {
      return error.what();
    }
    return "no error";
  };
  const ToySet good(6, 1);
  ToySet unlabelled(6, 1), more_values(6, 1), one_factor(6, 1);
  one_factor.factors_.pop_back();
  unlabelled.factors_[0].values[4] = -1;
  more_values.factors_[0].num_values = 4;
  EXPECT_EQ(message(good, good), "no error");
  EXPECT_THAT(message(unlabelled, good),
              HasSubstr("factor hue of the training images: image 4 has -1; expected 0 to 2"));
  EXPECT_THAT(message(good, unlabelled), HasSubstr("of the test images: image 4"));
  EXPECT_THAT(message(good, one_factor),
              HasSubstr("factor 1 of the test images: there is none; expected 0 to 0 (hue)"));
  EXPECT_THAT(message(good, more_values),
              HasSubstr("3 values in the training images, 4 in the test images"));
}

}  // namespace
}  // namespace ipirm::eval

// MixUp's minimization step beside a plain autograd loop, its memory, and whole runs under MixUp.
#include <c10/core/Allocator.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/functional/loss.h>
#include <torch/optim.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <set>

#include "ipirm/train/step.h"
#include "support/golden.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
namespace F = torch::nn::functional;
using torch::Tensor;

model::Model small_model(torch::ScalarType type) {
  torch::manual_seed(4);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  model->to(type);
  return model;
}

double number(const loss::NamedTerms& terms, const char* name) {
  return value_of(terms, name).item<double>();
}

loss::NamedTerms mixup_step(model::Model& model, ops::Adam& adam, const Tensor& v1,
                            const Tensor& v2, const Tensor& environment, double weight,
                            const loss::LossOptions& options, bool retain, const loss::MixKey& key,
                            bool bf16) {
  const auto step = make_step(options, {.retain_group = retain, .bf16 = bf16, .seed = key.seed});
  return step->run(model, adam, {v1, v2, environment, weight, key.epoch, key.step});
}

// --- The step written from METHOD 6 with autograd alone, given the shares and partners -----------

struct Plain {
  double temperature, weight;
  bool keep_cont, retain;
  loss::MixKey key;
  double alpha;

  // l = z1 z2ᵀ / T scaled column by column, mean(lam) CE(own) + (1 - mean(lam)) CE(partner).
  Tensor mixed_loss(const Tensor& z1, const Tensor& z2, const loss::Mix& mix,
                    const Tensor& ones) const {
    const auto l = z1.mm(z2.t()) / temperature * ones;
    const auto m = mix.lam.mean();
    return m * F::cross_entropy(l, torch::arange(l.size(0), torch::kInt64)) +
           (1 - m) * F::cross_entropy(l, mix.partner);
  }
  static Tensor mixed(const Tensor& x, const loss::Mix& mix) {
    const auto lam = mix.lam.view({-1, 1, 1, 1});
    return lam * x + (1 - lam) * x.index_select(0, mix.partner);
  }

  // contrastive + weight penalty, each a mean over the environments.
  Tensor partition_loss(model::Model& net, const Tensor& v1, const Tensor& z2,
                        const Tensor& environment, int64_t p) const {
    std::vector<Tensor> contrastive, penalty;
    const auto first = environment[0].item<int64_t>();  // environments go by their first samples
    for (const int64_t e : {first, 1 - first}) {
      const auto index = (environment == e).nonzero().squeeze(1);
      if (index.size(0) < 2) continue;
      const auto mix =
          loss::draw_mix(key.of_environment(p, index[0].item<int64_t>()), index.size(0), alpha);
      const auto ones =
          torch::ones({1, index.size(0)}, torch::dtype(torch::kFloat64).requires_grad(true));
      const auto z1 = net->forward(mixed(v1.index_select(0, index), mix)).projection;
      contrastive.push_back(mixed_loss(z1, z2.index_select(0, index), mix, ones));
      const auto g = torch::autograd::grad({contrastive.back()}, {ones}, {}, true, true)[0];
      penalty.push_back(g.square().sum());
    }
    return (torch::stack(contrastive).sum() + weight * torch::stack(penalty).sum()) / 2;
  }

  // Back-propagates into the parameters' .grad and returns the loss that is reported.
  double backward(model::Model& net, const Tensor& v1, const Tensor& v2,
                  const Tensor& environment) const {
    // The whole batch goes first, mixed before plain, whether its loss counts or not.
    const auto batch_mix = loss::draw_mix(key.of_batch(), v1.size(0), alpha);
    const auto z1 = net->forward(mixed(v1, batch_mix)).projection;
    const auto z2 = net->forward(v2).projection;
    const auto global =
        mixed_loss(z1, z2, batch_mix, torch::ones({1, v1.size(0)}, torch::kFloat64));
    const double scale = std::max(weight, 1.);
    if (!retain) {
      auto sum = partition_loss(net, v1, z2, environment[0], 0);
      if (keep_cont) sum = sum + global;
      (sum / scale).backward();
      return (sum / scale).item<double>();
    }
    double reported = 0;
    if (keep_cont) {
      global.backward();
      reported += global.item<double>();
    }
    const int64_t count = environment.size(0);
    for (int64_t p = 0; p < count; ++p) {
      const auto loss =
          partition_loss(net, v1, net->forward(v2).projection, environment[p], p) / scale;
      loss.backward();
      reported += loss.item<double>() / static_cast<double>(count);
    }
    return reported;
  }
};

struct StepCase {
  bool retain, keep_cont;
  double weight;
};

class MixupTrajectory : public ::testing::TestWithParam<StepCase> {};

// Five steps in channels-last follow plain autograd with torch's own Adam.
TEST_P(MixupTrajectory, FollowsAPlainLoop) {
  const auto [retain, keep_cont, weight] = GetParam();
  auto model = small_model(torch::kFloat64), net = small_model(torch::kFloat64);
  model::use_channels_last(*model);
  ops::Adam adam(model->parameters(), {.lr = 1e-3, .weight_decay = 1e-2});
  torch::optim::Adam plain_adam(net->parameters(),
                                torch::optim::AdamOptions(1e-3).weight_decay(1e-2));
  loss::LossOptions options;
  options.temperature = .2;
  options.keep_cont = keep_cont;
  options.mixup = {.on = true, .alpha = .6};
  for (uint64_t step = 0; step < 5; ++step) {
    torch::manual_seed(static_cast<int64_t>(10 + step));
    const auto v1 = torch::randn({12, 3, 16, 16}, torch::kFloat64),
               v2 = torch::randn({12, 3, 16, 16}, torch::kFloat64);
    auto environment = torch::randint(0, 2, {retain ? 3 : 1, 12}, torch::kInt64);
    if (step == 2) environment[0].fill_(1);         // an environment without samples
    if (step == 3) environment[0].fill_(0)[5] = 1;  // and one of a single sample
    const loss::MixKey key{3, 1, step};
    const auto terms = mixup_step(model, adam, v1.contiguous(torch::MemoryFormat::ChannelsLast),
                                  v2.contiguous(torch::MemoryFormat::ChannelsLast), environment,
                                  weight, options, retain, key, false);
    plain_adam.zero_grad();
    const double expected =
        Plain{.2, weight, keep_cont, retain, key, .6}.backward(net, v1, v2, environment);
    plain_adam.step();
    EXPECT_NEAR(number(terms, "loss") / expected, 1, 1e-9) << step;
  }
  for (size_t i = 0; i < model->parameters().size(); ++i) {
    EXPECT_LT(testing::relative_error(model->parameters()[i], net->parameters()[i]), 1e-6) << i;
  }
  // Running statistics depend on the order of the forward passes.
  for (size_t i = 0; i < model->buffers().size(); ++i) {
    const auto ours = model->buffers()[i].to(torch::kFloat64);
    EXPECT_LT(testing::relative_error(ours, net->buffers()[i].to(torch::kFloat64)), 1e-6) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, MixupTrajectory,
                         ::testing::Values(StepCase{false, true, .2}, StepCase{false, true, 3},
                                           StepCase{false, false, .2}, StepCase{true, true, .2},
                                           StepCase{true, true, 3}, StepCase{true, false, .2}));

TEST(MixupStep, TheBaselineIsTheLossOfTheMixedBatchAlone) {
  auto model = small_model(torch::kFloat64), net = small_model(torch::kFloat64);
  ops::Adam adam(model->parameters(), {.lr = 1e-3});
  loss::LossOptions options;
  options.baseline = options.mixup.on = true;
  const auto v1 = torch::randn({6, 3, 16, 16}, torch::kFloat64), v2 = v1 + .1;
  const loss::MixKey key{3, 1, 0};
  const auto terms = mixup_step(model, adam, v1, v2, {}, .2, options, true, key, false);
  const auto mix = loss::draw_mix(key.of_batch(), 6, 1);
  const Plain plain{.5, 0, true, false, key, 1};
  const auto expected =
      plain.mixed_loss(net->forward(Plain::mixed(v1, mix)).projection, net->forward(v2).projection,
                       mix, torch::ones({1, 6}, torch::kFloat64));
  EXPECT_NEAR(number(terms, "loss"), expected.item<double>(), 1e-10);
  EXPECT_EQ(number(terms, "contrastive"), number(terms, "loss"));
  EXPECT_EQ(number(terms, "penalty") + number(terms, "batch_contrastive"), 0);
}

// To the bit, weights and BatchNorm's statistics included.
TEST(MixupStep, SwappingEnvironmentsChangesNothing) {
  torch::manual_seed(6);
  const auto v1 = torch::randn({12, 3, 16, 16}), v2 = torch::randn({12, 3, 16, 16});
  const auto environment = torch::randint(0, 2, {2, 12}, torch::kInt64);
  loss::LossOptions options;
  options.mixup.on = options.keep_cont = true;
  std::vector<std::vector<Tensor>> ends;
  for (const auto& e : {environment, 1 - environment}) {
    auto model = small_model(torch::kFloat32);
    ops::Adam adam(model->parameters(), {.lr = 1e-3});
    mixup_step(model, adam, v1, v2, e, .2, options, true, {3, 1, 0}, false);
    ends.push_back(model->parameters());
    for (const auto& buffer : model->buffers()) ends.back().push_back(buffer);
  }
  for (size_t i = 0; i < ends[0].size(); ++i) EXPECT_TRUE(torch::equal(ends[0][i], ends[1][i]));
}

TEST(MixupStep, NothingToLearnFromLeavesAStepOfWeightDecayAlone) {
  auto model = small_model(torch::kFloat32);
  ops::Adam adam(model->parameters(), {.lr = 1e-3});
  loss::LossOptions options;
  options.mixup.on = true;
  const auto v = torch::randn({2, 3, 16, 16});
  const auto terms =
      mixup_step(model, adam, v, v, torch::tensor({{0, 1}}), .2, options, true, {}, false);
  EXPECT_EQ(number(terms, "loss"), 0);
}

TEST(MixupStep, Bf16StaysNearFp32) {
  const auto v1 = torch::randn({16, 3, 16, 16}), v2 = v1 + .2 * torch::randn({16, 3, 16, 16});
  loss::LossOptions options;
  options.mixup.on = options.keep_cont = true;
  const auto loss = [&](bool bf16) {
    auto model = small_model(torch::kFloat32);
    ops::Adam adam(model->parameters(), {.lr = 1e-9});
    const auto environment = torch::arange(16).remainder(2).unsqueeze(0);
    return number(mixup_step(model, adam, v1, v2, environment, .2, options, true, {}, bf16),
                  "loss");
  };
  EXPECT_NEAR(loss(true) / loss(false), 1, .02);  // bfloat16 keeps 8 bits
}

// --- Memory --------------------------------------------------------------------------------------

// Counts the bytes of live CPU tensors.
class TensorBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    live_ += size;
    peak_ = std::max(peak_, live_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t peak() const { return peak_; }

 private:
  int64_t live_ = 0, peak_ = 0;
};

// How far the bytes of live tensors rise above their start while `work` runs.
template <class Work>
int64_t peak_bytes(Work work) {
  const auto bytes = std::make_shared<TensorBytes>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, bytes);
  work();
  return bytes->peak();
}

TEST(MixupMemory, IsFlatInTheNumberOfPartitions) {
  torch::set_num_threads(1);
  auto model = small_model(torch::kFloat32);
  ops::Adam adam(model->parameters(), {.lr = 1e-3});
  loss::LossOptions options;
  options.mixup.on = options.keep_cont = true;
  const auto v1 = torch::randn({32, 3, 32, 32}), v2 = torch::randn({32, 3, 32, 32});
  const auto environment = torch::randint(0, 2, {8, 32}, torch::kInt64);
  const auto step = [&](int64_t partitions) {
    mixup_step(model, adam, v1, v2, environment.slice(0, 0, partitions), .2, options, true, {},
               false);
  };
  const int64_t one = peak_bytes([&] { step(1); });
  const int64_t eight = peak_bytes([&] { step(8); });
  // What the check must be able to see: the graphs of two partitions at a time.
  const auto embed = [&](const Tensor& x) { return model->forward(x).projection; };
  const int64_t two_at_once = peak_bytes([&] {
    std::vector<Tensor> terms;
    for (const auto& mixes : loss::plan_mixup({}, 32, 1, environment.slice(0, 0, 2)).partitions) {
      const auto z2 = embed(v2);
      for (const auto& [samples, mix] : mixes) {
        const auto z1 = embed(loss::mix_images(v1.index_select(0, samples), mix));
        terms.push_back(loss::mixed_terms(z1, z2.index_select(0, samples), mix, .5).contrastive);
      }
    }
  });
  const auto mb = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf(
      "a step's tensors at their peak: 1 partition %.1f MB, 8 partitions %.1f MB; the graphs of 2 "
      "partitions at once %.1f MB\n",
      mb(one), mb(eight), mb(two_at_once));
  EXPECT_GT(one, 0);
  EXPECT_LT(static_cast<double>(eight), 1.1 * static_cast<double>(one));
  EXPECT_GT(static_cast<double>(two_at_once), 1.4 * static_cast<double>(one));
}

// --- Whole runs ----------------------------------------------------------------------------------

class MixupRun : public RunTest, public ::testing::WithParamInterface<bool> {
 protected:
  // Retained partitions and an offline search, or the newest partition and an online one; both
  // mixed.
  static void prepare(SmallRun& run, bool retained) {
    run.loss.mixup.on = run.maximize.mixup = true;
    run.options.retain_group = retained;
    run.options.retain_group_set = retained ? 2 : 0;
    run.maximize.offline = retained;
    run.maximize.batch_size = 20;  // of 48
    run.state->partitions = partition::PartitionSet(retained, torch::kCPU, retained ? 2 : 0);
  }
};

// Stopped after any step, with other workers, a resumed run ends with the same bits.
TEST_P(MixupRun, ResumesExactlyFromAnyStep) {
  SmallRun whole(root_ / "whole");
  prepare(whole, GetParam());
  ASSERT_TRUE(whole.trainer().run());
  EXPECT_EQ(whole.state->partitions.size(), GetParam() ? 2 : 1);
  for (const int64_t stop : {1, 6, 8}) {
    const auto path = root_ / core::cat("stopped", stop);
    {
      SmallRun first(path);
      prepare(first, GetParam());
      first.options.max_steps = stop;
      EXPECT_FALSE(first.trainer().run());
    }
    SmallRun second(path, ExistingRun::kResume);
    prepare(second, GetParam());
    second.views.loader.workers = 3;
    ASSERT_TRUE(second.resume());
    EXPECT_TRUE(second.trainer().run());
    SCOPED_TRACE(stop);
    expect_same_run(root_ / "whole", *whole.state, path, *second.state);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, MixupRun, ::testing::Bool(), [](const auto& test) {
  return test.param ? "RetainedOffline" : "NewestOnline";
});

// Mixed in batches of the search in the set's order, whatever the chunk and the workers.
TEST(EmbedMixedViews, DependOnTheKeyAlone) {
  torch::set_num_threads(1);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  ViewSource source{std::make_shared<RandomImages>(30), {}, {}, 9};
  source.augment.crop_size = 16;
  source.loader.workers = 1;
  partition::MaximizeOptions options;
  const auto plain = embed_views(model, source, options, 5, 30, false);
  EXPECT_FALSE(plain.lam.defined());
  options.mixup = true;
  options.batch_size = 8;
  const auto bank = embed_views(model, source, options, 5, 30, false);
  source.loader.workers = 3;
  const auto chunked = embed_views(model, source, options, 5, 7, false);
  EXPECT_TRUE(torch::equal(bank.lam, chunked.lam));
  EXPECT_LT(testing::relative_error(chunked.z1, bank.z1), 1e-5);
  EXPECT_LT(testing::relative_error(bank.z2, plain.z2), 1e-5);  // the second view is not mixed
  EXPECT_FALSE(torch::allclose(bank.z1, plain.z1));
  EXPECT_GE(bank.lam.min().item<double>(), .5);
}

TEST(OnlineSourceMixup, GivesSharesAndPartnersOfEachBatch) {
  torch::set_num_threads(1);
  model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
  ViewSource source{std::make_shared<RandomImages>(30), {}, {}, 9};
  source.augment.crop_size = 16;
  partition::MaximizeOptions options;
  options.mixup = true;
  options.batch_size = 12;
  OnlineSource online(model, source, options, 1, 5, false),
      again(model, source, options, 1, 7, false);
  std::set<double> shares;
  for (const int64_t pass : {0, 1}) {
    online.start_pass(pass);
    again.start_pass(pass);
    for (int batch = 0; batch < 2; ++batch) {
      const auto found = online.next(), same = again.next();
      ASSERT_TRUE(found && same && found->mix);
      EXPECT_TRUE(torch::equal(found->mix->lam, same->mix->lam));
      EXPECT_TRUE(torch::equal(found->mix->partner, same->mix->partner));
      EXPECT_LT(testing::relative_error(found->z1, same->z1), 1e-5);
      EXPECT_EQ(found->mix->lam.scalar_type(), torch::kFloat32);
      shares.insert(found->mix->lam[0].item<double>());
    }
    EXPECT_FALSE(online.next());
  }
  EXPECT_EQ(shares.size(), 4u);
}

}  // namespace
}  // namespace ipirm::train

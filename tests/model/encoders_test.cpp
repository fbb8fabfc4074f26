// Tests of what holds for every encoder: sizes, initialisation, mistakes, copies, memory formats
// and autocast.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ipirm/core/error.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/model.h"

namespace ipirm::model {
namespace {

using ::testing::HasSubstr;

Model seeded_model(const ModelOptions& options, uint64_t seed = 1) {
  torch::manual_seed(seed);
  return Model(options);
}

bool same_state(const ModelImpl& a, const ModelImpl& b) {
  const auto equal = [](const auto& x, const auto& y) {
    if (x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!torch::equal(x[i], y[i])) return false;
    }
    return true;
  };
  return equal(a.parameters(), b.parameters()) && equal(a.buffers(), b.buffers());
}

struct EncoderCase {
  Arch arch;
  int width;
  int64_t feature_size;
  // Of encoder and head: from the layers' shapes, torchvision's counts less conv1 and fc, plus
  // ours.
  int64_t parameters;
};

class Encoder : public ::testing::TestWithParam<EncoderCase> {};

TEST_P(Encoder, SizesFollowArchAndWidth) {
  const EncoderCase& c = GetParam();
  Model model = seeded_model({c.arch, c.width, 16});
  EXPECT_EQ(model->feature_size(), c.feature_size);
  int64_t count = 0;
  for (const torch::Tensor& p : model->parameters()) count += p.numel();
  EXPECT_EQ(count, c.parameters);

  model->eval();
  torch::NoGradGuard no_grad;
  for (int64_t side : {8, 32, 96}) {
    const torch::Tensor images = torch::randn({2, 3, side, side + 8});
    const Embedding out = model->forward(images);
    EXPECT_EQ(out.feature.sizes(), (std::vector<int64_t>{2, c.feature_size}));
    EXPECT_EQ(out.projection.sizes(), (std::vector<int64_t>{2, 16}));
    EXPECT_TRUE(torch::allclose(out.feature.norm(2, 1), torch::ones(2)));
    EXPECT_TRUE(torch::allclose(out.projection.norm(2, 1), torch::ones(2)));
    EXPECT_EQ(model->encode(images).sizes(), out.feature.sizes());
  }
}

// The head of F features and 16 outputs: 512 F + 2 * 512 + 512 * 16 + 16.
constexpr int64_t head_parameters(int64_t feature_size) { return 512 * feature_size + 1024 + 8208; }

// Encoder counts: torchvision's resnet18, 34, 50 and 101 have 11,689,512, 21,797,672, 25,557,032
// and 44,549,160
// parameters; less the classifier (513,000 or 2,049,000) and the 7x7 convolution (9,408), plus the
// 3x3 one (1,728).
INSTANTIATE_TEST_SUITE_P(
    All, Encoder,
    ::testing::Values(EncoderCase{Arch::kResNet18, 64, 512,
                                  11689512 - 513000 - 9408 + 1728 + head_parameters(512)},
                      EncoderCase{Arch::kResNet34, 64, 512,
                                  21797672 - 513000 - 9408 + 1728 + head_parameters(512)},
                      EncoderCase{Arch::kResNet50, 64, 2048,
                                  25557032 - 2049000 - 9408 + 1728 + head_parameters(2048)},
                      EncoderCase{Arch::kResNet101, 64, 2048,
                                  44549160 - 2049000 - 9408 + 1728 + head_parameters(2048)},
                      // 2 blocks of 3x3 convolutions at 16, 32, 64, 128 channels, counted by hand.
                      EncoderCase{Arch::kResNet18, 16, 128,
                                  3 * 16 * 9 + 32 + 4 * (16 * 16 * 9 + 32) +                     //
                                      16 * 32 * 9 + 3 * 32 * 32 * 9 + 4 * 64 + 16 * 32 + 64 +    //
                                      32 * 64 * 9 + 3 * 64 * 64 * 9 + 4 * 128 + 32 * 64 + 128 +  //
                                      64 * 128 * 9 + 3 * 128 * 128 * 9 + 4 * 256 + 64 * 128 + 256 +
                                      head_parameters(128)}),
    [](const auto& c) {
      return core::name_of(c.param.arch) + "_width" + std::to_string(c.param.width);
    });

TEST(ModelInit, ConvolutionsAndLinearsHaveTheSpecifiedSpread) {
  Model model = seeded_model({Arch::kResNet50, 16, 128});
  int convolutions = 0;
  for (const auto& item : model->named_parameters()) {
    const torch::Tensor& w = item.value();
    const double deviation = w.numel() > 1 ? w.std().item<double>() : 0;
    const double mean = w.mean().item<double>(), n = static_cast<double>(w.numel());
    if (item.key() == "f.0.weight" || (w.dim() == 2)) {
      // Kaiming uniform with a = sqrt(5).
      const double bound = 1 / std::sqrt(static_cast<double>(w[0].numel()));
      EXPECT_LE(w.abs().max().item<double>(), bound) << item.key();
      EXPECT_GT(w.abs().max().item<double>(), 0.97 * bound) << item.key();
      // A uniform sample's deviation has a relative standard error of sqrt(0.2 / n).
      EXPECT_NEAR(deviation / (bound / std::sqrt(3.0)), 1, 5 * std::sqrt(0.2 / n)) << item.key();
    } else if (w.dim() == 4) {
      ++convolutions;
      const double sigma = std::sqrt(2.0 / static_cast<double>(w.size(0) * w.size(2) * w.size(3)));
      EXPECT_NEAR(deviation / sigma, 1, 5 * std::sqrt(0.5 / n)) << item.key();
      EXPECT_NEAR(mean / sigma, 0, 5 / std::sqrt(n)) << item.key();
      EXPECT_GT(w.abs().max().item<double>(), 2.5 * sigma) << item.key() << " is not normal";
    } else if (item.key() != "g.3.bias") {
      EXPECT_EQ(mean, item.key().ends_with("weight") ? 1 : 0) << item.key();
      EXPECT_EQ(deviation, 0) << item.key();
    }
  }
  EXPECT_EQ(convolutions, 52);  // 16 blocks of three and 4 shortcuts
}

TEST(ModelInit, SeedDecidesTheWeights) {
  const ModelOptions options{Arch::kResNet18, 16, 16};
  EXPECT_TRUE(same_state(*seeded_model(options, 3), *seeded_model(options, 3)));
  EXPECT_FALSE(same_state(*seeded_model(options, 3), *seeded_model(options, 4)));
}

TEST(ModelMistakes, AreNamed) {
  const auto message = [](const ModelOptions& options) -> std::string {
    try {
      Model model(options);
    } catch (const core::UserError& error) {
      return error.what();
    }
    return "no error";
  };
  for (const int width : {-8, 0, 8, 20, 1032}) {
    EXPECT_EQ(message({Arch::kResNet18, width, 128}),
              core::cat("width is ", width, "; expected a multiple of 8 from 16 to 1024"));
  }
  EXPECT_EQ(message({Arch::kResNet18, 16, -1}), "feature_dim is -1; expected 1 to 65536");
}

TEST(ModelClone, IsDeepAndLeavesTheGeneratorAlone) {
  Model model = seeded_model({Arch::kResNet18, 16, 16});
  model->to(torch::kFloat64);
  model->forward(torch::randn({4, 3, 16, 16}, torch::kFloat64));  // moves the running statistics
  model->eval();
  model->parameters()[0].requires_grad_(false);
  torch::manual_seed(7);
  const auto copy = std::dynamic_pointer_cast<ModelImpl>(model->clone());
  const torch::Tensor after_clone = torch::randn(3);
  torch::manual_seed(7);
  EXPECT_TRUE(torch::equal(after_clone, torch::randn(3)));

  ASSERT_TRUE(copy);
  EXPECT_TRUE(same_state(*model, *copy));
  EXPECT_FALSE(copy->is_training());
  EXPECT_EQ(copy->parameters()[1].scalar_type(), torch::kFloat64);
  EXPECT_FALSE(copy->parameters()[0].requires_grad());
  EXPECT_TRUE(copy->parameters()[1].requires_grad());
  const torch::Tensor images = torch::randn({2, 3, 16, 16}, torch::kFloat64);
  EXPECT_TRUE(torch::equal(copy->encode(images), model->encode(images)));
  torch::NoGradGuard no_grad;
  copy->parameters()[0].add_(1);
  EXPECT_FALSE(same_state(*model, *copy));
}

TEST(ModelMemoryFormat, ChannelsLastChangesNoValue) {
  Model model = seeded_model({Arch::kResNet18, 16, 16});
  model->to(torch::kFloat64);
  const torch::Tensor images = torch::randn({4, 3, 16, 16}, torch::kFloat64);
  const auto run = [&](const torch::Tensor& x) {
    model->zero_grad();
    const Embedding out = model->forward(x);
    out.projection.sum().backward();
    return std::make_pair(out.projection.detach(), model->parameters()[0].grad().clone());
  };
  const auto [planar, planar_grad] = run(images);
  use_channels_last(*model);
  EXPECT_TRUE(model->named_parameters()["f.3.0.conv1.weight"].is_contiguous(
      torch::MemoryFormat::ChannelsLast));
  const auto [last, last_grad] = run(images.contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(torch::allclose(planar, last, 1e-10, 1e-12));
  EXPECT_TRUE(torch::allclose(planar_grad, last_grad, 1e-8, 1e-12));
}

TEST(ModelAutocast, EmbedsCloseToFloat32AndReturnsFloat32) {
  Model model = seeded_model({Arch::kResNet18, 16, 16});
  const torch::Tensor images = torch::randn({8, 3, 16, 16});
  const Embedding exact = model->forward(images);
  Embedding rounded;
  {
    Autocast autocast(torch::kCPU, /*bf16=*/true);
    rounded = model->forward(images);
    rounded.projection[0][0].backward();
  }
  EXPECT_EQ(rounded.feature.scalar_type(), torch::kFloat32);
  EXPECT_EQ(rounded.projection.scalar_type(), torch::kFloat32);
  EXPECT_EQ(model->parameters()[0].grad().scalar_type(), torch::kFloat32);
  // bfloat16 keeps 8 bits: 20 layers of rounding 0.4 % each stay within a few percent of unit rows.
  const double error = (rounded.feature - exact.feature).norm(2, 1).max().item<double>();
  EXPECT_LT(error, 0.1);
  EXPECT_GT(error, 1e-5) << "nothing was rounded: autocast was off";
  EXPECT_TRUE(torch::allclose(rounded.projection.norm(2, 1), torch::ones(8), 1e-5));
}

TEST(Autocast, NestsAndRestores) {
  const torch::Tensor x = torch::randn({2, 2});
  const auto type = [&] { return x.mm(x).scalar_type(); };
  EXPECT_EQ(type(), torch::kFloat32);
  {
    Autocast outer(torch::kCPU, true);
    EXPECT_EQ(type(), torch::kBFloat16);
    {
      Autocast inner(torch::kCPU, false);
      EXPECT_EQ(type(), torch::kFloat32);
    }
    EXPECT_EQ(type(), torch::kBFloat16);
  }
  EXPECT_EQ(type(), torch::kFloat32);
}

TEST(Autocast, SeesNewWeightsInANewScope) {
  torch::Tensor weight = torch::ones({2, 2}, torch::requires_grad());
  const torch::Tensor x = torch::ones({2, 2});
  const auto product = [&] {
    Autocast autocast(torch::kCPU, true);
    return x.mm(weight)[0][0].item<float>();
  };
  EXPECT_EQ(product(), 2);
  {
    torch::NoGradGuard no_grad;
    weight.mul_(3);
  }
  EXPECT_EQ(product(), 6);
}

}  // namespace
}  // namespace ipirm::model

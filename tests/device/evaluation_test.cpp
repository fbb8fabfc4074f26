// The evaluations on every device: features, the kNN vote, the linear evaluation and its state.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "device/devices.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/to_device.h"
#include "ipirm/eval/knn.h"
#include "ipirm/eval/linear_probe.h"
#include "support/golden.h"

namespace ipirm::test {
namespace {

using ::ipirm::testing::golden;
using ::ipirm::testing::relative_error;
using train::RandomImages;

class EvaluationOn : public DeviceTest<Kind> {
 protected:
  // The same on every device.
  static model::Model network(torch::Device device) {
    torch::manual_seed(11);
    model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    model->to(device);
    model::use_channels_last(*model);
    return model;
  }
  static eval::RunOptions where(torch::Device device) {
    eval::RunOptions run;
    run.device = device;
    run.batch_size = 16;
    run.loader = data::for_device(run.loader, device);
    return run;
  }
  static augment::AugmentOptions crops() {
    augment::AugmentOptions options;
    options.crop_size = 16;
    return options;
  }
  const RandomImages train_{48}, test_{12};
};

TEST_P(EvaluationOn, FeaturesAreThoseOfTheCpu) {
  use(GetParam());
  if (IsSkipped()) return;
  for (const auto kind :
       {eval::FeatureKind::kH, eval::FeatureKind::kHNormalized, eval::FeatureKind::kZ}) {
    auto model = network(device_), on_cpu = network(torch::kCPU);
    const auto found = eval::embed_test_views(model, train_, where(device_), "", kind);
    EXPECT_EQ(found.device(), device_);
    const auto expected = eval::embed_test_views(on_cpu, train_, where(torch::kCPU), "", kind);
    EXPECT_LT(relative_error(found.cpu(), expected), tolerance(kind_));
  }
}

// A quarter of the bytes travels, and every value of each channel becomes the host's to the bit.
TEST_P(EvaluationOn, BytesBecomeTheFloatsOfTheHost) {
  use(GetParam());
  if (IsSkipped()) return;
  const auto bytes = torch::arange(256, torch::kUInt8).view({1, 1, 16, 16}).expand({2, 3, 16, 16});
  for (const auto format : {torch::MemoryFormat::ChannelsLast, torch::MemoryFormat::Contiguous}) {
    const auto sent = core::to_device(bytes.contiguous(format), device_);
    EXPECT_EQ(sent.scalar_type(), torch::kUInt8);
    const auto found = augment::normalised(sent);
    EXPECT_TRUE(found.is_contiguous(format));
    EXPECT_TRUE(torch::equal(found.cpu(), augment::normalised(bytes)));
  }
  EXPECT_EQ(where(device_).loader.pixels == data::Pixels::kByte, !device_.is_cpu());
}

TEST_P(EvaluationOn, TheVoteIsTheReferences) {
  use(GetParam());
  if (IsSkipped()) return;
  const auto there = [&](const char* name) { return golden("weighted_knn", name).to(device_); };
  const auto scores = eval::knn_scores(there("queries"), there("bank"), there("bank_labels"), 5,
                                       {.k = 7, .temperature = 0.5});
  constexpr double kTolerance = 1e-10;  // golden/README.md, weighted_knn
  EXPECT_LT(relative_error(scores.cpu(), golden("weighted_knn", "scores")), kTolerance);
}

TEST_P(EvaluationOn, TheLinearEvaluationHasTheNumbersOfTheCpu) {
  use(GetParam());
  if (IsSkipped()) return;
  for (const auto bn : {eval::BatchNormMode::kTrain, eval::BatchNormMode::kEval}) {
    const eval::LinearOptions options{.epochs = 2, .batch_size = 16, .bn = bn};
    const auto epochs_on = [&](torch::Device device) {
      auto model = network(device);
      eval::LinearProbe probe(model, train_, test_, options, crops(), where(device));
      return std::vector{probe.epoch(1).value()[0], probe.epoch(2).value()[0]};
    };
    const auto found = epochs_on(device_), expected = epochs_on(torch::kCPU);
    for (size_t e = 0; e < 2; ++e) {
      EXPECT_NEAR(found[e].train_loss, expected[e].train_loss, 10 * tolerance(kind_));
      EXPECT_NEAR(found[e].test_loss, expected[e].test_loss, 10 * tolerance(kind_));
    }
  }
}

// A state of the CPU goes on there, and one of the device on the CPU.
TEST_P(EvaluationOn, AStateOfTheLinearEvaluationChangesDevices) {
  use(GetParam());
  if (IsSkipped()) return;
  const eval::LinearOptions options{.epochs = 2, .batch_size = 16};
  for (const auto& [from, to] : {std::pair(torch::Device(torch::kCPU), device_),
                                 std::pair(device_, torch::Device(torch::kCPU))}) {
    auto model = network(from), other_model = network(to);
    eval::LinearProbe probe(model, train_, test_, options, crops(), where(from));
    eval::LinearProbe other(other_model, train_, test_, options, crops(), where(to));
    probe.epoch(1);
    eval::NamedTensors saved;
    for (const auto& [name, tensor] : probe.state()) saved.emplace_back(name, tensor.cpu().clone());
    other.restore(saved, "state");
    const auto expected = probe.epoch(2).value()[0], found = other.epoch(2).value()[0];
    EXPECT_NEAR(found.train_loss, expected.train_loss, 10 * tolerance(kind_));
    EXPECT_NEAR(found.test_loss, expected.test_loss, 10 * tolerance(kind_));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, EvaluationOn, kAllKinds,
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace ipirm::test

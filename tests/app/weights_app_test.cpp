// Weights of other programs through ipirm-train, ipirm-linear and ipirm-export: what each takes,
// says and refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>

#include "app/programs.h"
#include "ipirm/app/export_app.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using checkpoint::StateDict;
using ::testing::HasSubstr;
using ::testing::Not;

class WeightsApp : public ProgramTest {
 protected:
  WeightsApp() {
    core::set_log_level(core::LogLevel::kInfo);
    torch::manual_seed(4);
    const model::Model model(
        model::ModelOptions{.arch = model::Arch::kResNet18, .width = 16, .feature_dim = 8});
    own_ = checkpoint::state_dict(*model);
    write("own.pth", own_);
    EXPECT_EQ(run_export_on("own.pth", "torchvision.pt").code, kExitOk);
    torchvision_ = checkpoint::read_torch_file(path("torchvision.pt"));
  }

  void write(const std::string& name, const StateDict& tensors) const {
    checkpoint::write_torch_file(path(name), tensors);
  }
  Outcome run_export_on(const std::string& name, const std::string& out) const {
    return export_tool({"--model_path", path(name), "--out", path(out), "--overwrite"});
  }
  // One step of 1e-30, which changes zeros alone, and these by that: the weights stay what they
  // were.
  Outcome train_from(const std::string& name, const Words& more = {}) const {
    return train(small_run("--dataset ColoredDigits --batch_size 40 --crop_size 8 --max_steps 1 "
                           "--baseline --eval_every 100 --lr 1e-30 --weight_decay 0 --overwrite "
                           "--log_level info") +
                 Words{"--pretrain_model", path(name)} + more);
  }
  Outcome linear_from(const std::string& name) const {
    return linear(small_evaluation("--dataset ColoredDigits --batch_size 512 --crop_size 8 "
                                   "--log_level info") +
                  Words{"--model_path", path(name)});
  }
  StateDict trained() const {
    return checkpoint::read_torch_file(path("results/ColoredDigits/x/model_1.pt"));
  }
  // Each of the three programs refuses the file with these words.
  void expect_all_refuse(const std::string& name, const Words& words) const {
    expect_refused(run_export_on(name, "out.pt"), words);
    expect_refused(train_from(name), words);
    expect_refused(linear_from(name), words);
  }

  StateDict own_, torchvision_;
};

StateDict encoder_of(const StateDict& own) {
  StateDict result;
  for (const auto& entry : own) {
    if (entry.first.starts_with("module.f.")) result.push_back(entry);
  }
  return result;
}

bool is_statistic(const std::string& name) {
  return name.find("running_") != std::string::npos || name.find("batches") != std::string::npos;
}

TEST_F(WeightsApp, TheExportersOutputIsReadByAllThree) {
  const auto exported = run_export_on("torchvision.pt", "again.pt");
  ASSERT_EQ(exported.code, kExitOk) << exported.err;
  EXPECT_THAT(exported.out, HasSubstr("torchvision.pt: names are torchvision's, no projection head "
                                      "in it\n"));
  EXPECT_EQ(core::read_file(path("again.pt"), 1 << 24),
            core::read_file(path("torchvision.pt"), 1 << 24));
  const auto evaluated = linear_from("torchvision.pt");
  ASSERT_EQ(evaluated.code, kExitOk) << evaluated.err;
  EXPECT_THAT(evaluated.out, HasSubstr("no projection head in it\n"));
  // The same features, whatever the names: the same evaluation.
  const auto of_own = linear_from("own.pth");
  const auto result = [](const std::string& out) { return out.substr(out.find("train_loss")); };
  EXPECT_EQ(result(evaluated.out), result(of_own.out));
  EXPECT_THAT(of_own.out, Not(HasSubstr("own.pth: ")));
}

TEST_F(WeightsApp, TrainingStartsFromAnEncoderAndAFreshHead) {
  ASSERT_EQ(train_from("own.pth").code, kExitOk);
  const auto whole = trained();
  write("encoder.pth", encoder_of(own_));
  for (const std::string name : {"torchvision.pt", "encoder.pth"}) {
    const auto outcome = train_from(name);
    ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("no projection head in it: the head keeps its fresh "
                                       "initialisation\n"));
    const auto found = trained();
    ASSERT_EQ(found.size(), whole.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const auto& [key, tensor] = found[i];
      if (is_statistic(key)) continue;
      if (key.starts_with("module.f.")) {
        EXPECT_LE((tensor - own_[i].second).abs().max().item<float>(), 1e-20F) << key;
      } else if (key == "module.g.0.weight") {
        EXPECT_FALSE(torch::equal(tensor, own_[i].second)) << key;
        EXPECT_GT(tensor.std().item<float>(), 0) << key;
      }
    }
  }
}

TEST_F(WeightsApp, TrainingNamesTheFlagsOfAnotherNetwork) {
  expect_refused(train_from("own.pth", {"--width", "24"}),
                 {"own.pth holds a resnet18 of width 16", "width 24", "--width 16"});
  expect_refused(train_from("torchvision.pt", {"--arch", "resnet34"}), {"give --arch resnet18"});
  expect_refused(train_from("own.pth", {"--feature_dim", "16"}), {"g.3.weight is [8, 512]"});
}

TEST_F(WeightsApp, OtherNetworksAreRefusedByWhatTheyAre) {
  const auto rename = [&](const std::string& from, const std::string& to) {
    StateDict result;
    for (const auto& [name, tensor] : torchvision_)
      result.emplace_back(name.starts_with(from) ? to + name.substr(from.size()) : name, tensor);
    return result;
  };
  const auto with = [&](const std::string& name, const torch::Tensor& tensor) {
    StateDict result = torchvision_;
    for (auto& entry : result) {
      if (entry.first == name) entry.second = tensor;
    }
    return result;
  };
  write("imagenet.pth", with("conv1.weight", torch::zeros({64, 3, 7, 7})));
  expect_all_refuse("imagenet.pth",
                    {"imagenet.pth: 'conv1.weight' is 7x7, the first convolution of "
                     "a ResNet for ImageNet",
                     "3x3"});
  write("wide.pth", with("layer4.0.conv2.weight", torch::zeros({256, 256, 3, 3})));
  expect_all_refuse("wide.pth", {"'layer4.0.conv2.weight' is [256, 256, 3, 3], expected [128, 128, "
                                 "3, 3]",
                                 "a wide ResNet, a ResNeXt"});
  StateDict deep;  // the blocks of resnet152
  for (const auto& [name, tensor] : torchvision_) deep.emplace_back(name, tensor);
  deep.emplace_back("layer1.0.conv3.weight", torch::zeros({1}));
  const std::vector<int> blocks = {3, 8, 36, 3};
  for (size_t stage = 0; stage < 4; ++stage) {
    for (int b = 2; b < blocks[stage]; ++b)
      deep.emplace_back(core::cat("layer", stage + 1, ".", b, ".bn1.bias"), torch::zeros({1}));
  }
  write("deep.pth", deep);
  expect_all_refuse("deep.pth", {"holds a resnet152 of 3, 8, 36 and 3 bottleneck blocks"});
  write("short.pth", rename("layer3.1.", "layer5.1."));
  expect_all_refuse("short.pth", {"holds a network of 2, 2, 1 and 2 basic blocks"});
  write("lacking.pth", rename("layer2.0.bn1.bias", "layer2.0.bn9.bias"));
  expect_all_refuse("lacking.pth", {"1 name is missing (layer2.0.bn1.bias)",
                                    "1 name is unexpected ('layer2.0.bn9.bias')"});
}

TEST_F(WeightsApp, ARunsStateIsNamedAsSuch) {
  ASSERT_EQ(train_from("own.pth").code, kExitOk);
  fs::copy_file(path("results/ColoredDigits/x/state.pt"), path("state.pt"));
  expect_all_refuse("state.pt", {"state.pt: is a run's whole state", "give a model_E.pt"});
}

TEST_F(WeightsApp, ValuesThatAreNotFiniteAreTheFilesFault) {
  for (auto& [name, tensor] : own_) {
    if (name == "module.f.5.1.conv2.weight") tensor[3][1][2][0] = NAN;
  }
  write("bad.pth", own_);
  expect_all_refuse("bad.pth", {"bad.pth: 'f.5.1.conv2.weight' is NaN at [3, 1, 2, 0]"});
  EXPECT_FALSE(fs::exists(path("results")));
}

}  // namespace
}  // namespace ipirm::app

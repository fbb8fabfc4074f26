// Names that other programs give weights: what is recognised, what is said of it, what is refused.
#include "ipirm/checkpoint/weight_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "checkpoint/scratch.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kEncoder = {"f.0.weight", "f.1.running_var", "f.3.0.conv1.weight",
                                           "f.6.1.bn2.bias"};
const std::vector<std::string> kNetwork = {"f.0.weight", "f.1.running_var", "f.3.0.conv1.weight",
                                           "f.6.1.bn2.bias", "g.3.weight"};
const std::vector<std::string> kTorchvision = {"conv1.weight", "bn1.running_var",
                                               "layer1.0.conv1.weight", "layer4.1.bn2.bias"};

TorchContent file(const std::vector<std::string>& names, const std::string& prefix = "") {
  TorchContent content;
  for (const auto& name : names) content.tensors.emplace_back(prefix + name, torch::ones({2}));
  return content;
}

TorchContent operator+(TorchContent content, const TorchContent& more) {
  for (const auto& entry : more.tensors) content.tensors.push_back(entry);
  return content;
}

std::vector<std::string> names_of(const NamedWeights& weights) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights.tensors) names.push_back(name);
  return names;
}

std::string assumed(const TorchContent& content) { return name_weights(content, "m.pth").assumed; }
std::string refusal(const TorchContent& content) {
  return user_error([&] { name_weights(content, "m.pth"); });
}

TEST(WeightNamesTest, OwnFilesAreTakenWithoutAWord) {
  for (const std::string prefix : {"", "module."}) {
    const auto weights = name_weights(file(kNetwork, prefix), "m.pth");
    EXPECT_EQ(names_of(weights), kNetwork);
    EXPECT_EQ(weights.naming, Naming::kReference);
    EXPECT_TRUE(weights.has_head);
    EXPECT_EQ(weights.assumed, "");
  }
}

TEST(WeightNamesTest, PrefixesOfWrappersAreStripped) {
  for (const std::string prefix : {"encoder_q.", "backbone.", "module.encoder_q.",
                                   "module.backbone.", "module.module.", "backbone.module."}) {
    EXPECT_EQ(names_of(name_weights(file(kEncoder, prefix), "m.pth")), kEncoder);
    EXPECT_EQ(names_of(name_weights(file(kTorchvision, prefix), "m.pth")), kTorchvision);
    EXPECT_EQ(assumed(file(kNetwork, prefix)),
              prefix == "module." ? "" : "stripped '" + prefix + "'");
  }
  // torch.compile's, of the whole and of a part.
  for (const std::string prefix : {"_orig_mod.", "module._orig_mod.", "_orig_mod.module."})
    EXPECT_EQ(names_of(name_weights(file(kNetwork, prefix), "m.pth")), kNetwork);
  EXPECT_EQ(assumed(file(kNetwork, "module._orig_mod.")),
            "stripped '_orig_mod.', stripped 'module.'");
  EXPECT_EQ(names_of(name_weights(file({"f._orig_mod.0.weight", "f._orig_mod.1.bias", "g.3.bias"}),
                                  "m.pth")),
            (std::vector<std::string>{"f.0.weight", "f.1.bias", "g.3.bias"}));
}

TEST(WeightNamesTest, TorchvisionsNamesAreKnownByTheSameTable) {
  const auto weights = name_weights(file(kTorchvision) + file({"fc.weight", "fc.bias"}), "m.pth");
  EXPECT_EQ(weights.naming, Naming::kTorchvision);
  EXPECT_EQ(names_of(weights), kTorchvision);
  EXPECT_EQ(weights.assumed,
            "names are torchvision's, ignored 2 of 'fc', no projection head in it");
  for (size_t i = 0; i < kEncoder.size(); ++i)
    EXPECT_EQ(weights.name_of(kEncoder[i]), kTorchvision[i]);
  EXPECT_EQ(torchvision_name("g.3.weight"), "");
  EXPECT_EQ(torchvision_name("f.7.weight"), "");
}

TEST(WeightNamesTest, WhatOtherToolsAddIsLeftOutAndCounted) {
  EXPECT_EQ(assumed(file(kNetwork, "module.") +
                    file({"total_ops", "module.total_params", "module.f.3.0.total_ops"})),
            "stripped 'module.', ignored 3 total_ops/total_params");
  const auto moco = file(kTorchvision, "module.encoder_q.") +
                    file({"module.encoder_q.fc.0.weight"}) +
                    file(kTorchvision, "module.encoder_k.") + file({"module.queue"});
  EXPECT_EQ(names_of(name_weights(moco, "m.pth")), kTorchvision);
  EXPECT_EQ(assumed(moco),
            "stripped 'module.encoder_q.', names are torchvision's, ignored 1 of 'fc', left out 5 "
            "without 'module.encoder_q.' ('module.encoder_k.conv1.weight' ...), no projection head "
            "in it");
  TorchContent beside = file(kEncoder);
  beside.container = "model.state_dict";
  beside.others = {{"epoch", "an int"}};
  EXPECT_EQ(assumed(beside),
            "read 'model.state_dict', left out 1 that hold no tensor ('epoch'), no projection head "
            "in it");
}

TEST(WeightNamesTest, WhatIsNeitherEncoderNorKnownStaysToBeRefused) {
  EXPECT_THAT(names_of(name_weights(file({"f.0.weight", "h.1"}), "m.pth")),
              ElementsAre("f.0.weight", "h.1"));
}

TEST(WeightNamesTest, RefusesWhatCannotBeToldApart) {
  EXPECT_THAT(refusal(file({"features.0.weight", "layer1.0.conv1.weight"})),
              AllOf(HasSubstr("m.pth: holds no encoder, neither 'f.0.weight'"),
                    HasSubstr("among its 2 names (first: 'features.0.weight')")));
  EXPECT_THAT(refusal(TorchContent()), HasSubstr("among its 0 names (first: none)"));
  EXPECT_THAT(refusal(file(kNetwork) + file(kNetwork, "module.")),
              HasSubstr("holds more than one encoder ('f.0.weight', 'module.f.0.weight')"));
  EXPECT_THAT(refusal(file(kTorchvision, "backbone.") + file(kTorchvision, "encoder_q.")),
              HasSubstr("('backbone.conv1.weight', 'encoder_q.conv1.weight')"));
  EXPECT_THAT(refusal(file({"module.f.0.weight", "f.1.weight"})),
              HasSubstr("'f.1.weight' lacks the 'module.' that other names"));
  EXPECT_THAT(refusal(file({"f.0.weight", "_orig_mod.f.0.weight"})),
              HasSubstr("has 'f.0.weight' both with and without '_orig_mod.'"));
}

TEST(WeightNamesTest, AWeightThatIsNoTensorIsRefusedByWhatItIs) {
  TorchContent content = file(kEncoder, "module.");
  content.others = {{"module.f.4.0.conv1.weight", "an object of 'my.Tensor'"}};
  EXPECT_THAT(refusal(content),
              HasSubstr("'module.f.4.0.conv1.weight' is an object of 'my.Tensor', expected a "
                        "tensor"));
  TorchContent only;
  only.others = {{"conv1.weight", "an object of 'my.Tensor'"}};
  EXPECT_THAT(refusal(only), HasSubstr("'conv1.weight' is an object of 'my.Tensor'"));
}

TEST(WeightNamesTest, AWholeStateIsNamedAsSuch) {
  EXPECT_THAT(refusal(file(kNetwork, "module.") + file({"adam_first.0", "adam_second.0", "run"})),
              HasSubstr("is a run's whole state, expected weights; give a model_E.pt"));
}

TEST(WeightNamesTest, ValuesThatAreNotFiniteAreFoundWithTheirPlace) {
  const auto with = [](const std::string& name, const torch::Tensor& values) {
    auto content = file({"f.0.weight", "g.3.weight"});
    content.tensors.emplace_back(name, values);
    return refusal(content);
  };
  auto values = torch::zeros({3, 2, 4});
  values[1][0][2] = NAN;
  values[2][1][3] = INFINITY;
  EXPECT_THAT(with("f.1.weight", values),
              HasSubstr("m.pth: 'f.1.weight' is NaN at [1, 0, 2] (of [3, 2, 4], from 0; 2 such "
                        "values in it)"));
  EXPECT_THAT(with("g.0.weight", torch::tensor({0.F, -INFINITY})),
              HasSubstr("'g.0.weight' is infinite in float32 at [1]"));
  EXPECT_THAT(with("f.1.bias", torch::tensor({0., 1e39}, torch::kFloat64)),
              HasSubstr("'f.1.bias' is infinite in float32 at [1]"));
  EXPECT_THAT(with("f.1.bias", torch::full({}, NAN, torch::kHalf)), HasSubstr("is NaN at []"));
  EXPECT_THAT(with("f.1.running_var", torch::tensor({1., -.5}, torch::kFloat64)),
              HasSubstr("'f.1.running_var' is negative at [1]"));
  // What is not used may be as it likes.
  auto classifier = file(kTorchvision);
  classifier.tensors.emplace_back("fc.weight", values);
  EXPECT_EQ(name_weights(classifier, "m.pth").tensors.size(), kTorchvision.size());
}

}  // namespace
}  // namespace ipirm::checkpoint

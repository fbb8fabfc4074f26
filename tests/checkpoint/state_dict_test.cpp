// Names, order and loading of a module's weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "checkpoint/scratch.h"
#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

torch::nn::Sequential make_model(int64_t width = 4) {
  return torch::nn::Sequential(torch::nn::Linear(3, width), torch::nn::BatchNorm1d(width),
                               torch::nn::Linear(width, 2));
}

std::string load_error(torch::nn::Module& model, const StateDict& tensors) {
  return user_error([&] { load_state_dict(model, tensors, "run/model_5.pt"); });
}

StateDict without(StateDict tensors, const std::string& part) {
  std::erase_if(tensors,
                [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
  return tensors;
}

TEST(StateDictTest, ListsParametersThenBuffersModuleByModule) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_dict(*make_model())) {
    names.push_back(name);
    EXPECT_FALSE(tensor.requires_grad());
  }
  EXPECT_THAT(names,
              ElementsAre("module.0.weight", "module.0.bias", "module.1.weight", "module.1.bias",
                          "module.1.running_mean", "module.1.running_var",
                          "module.1.num_batches_tracked", "module.2.weight", "module.2.bias"));
}

TEST(StateDictTest, LoadsWithAndWithoutPrefixAndConverts) {
  torch::manual_seed(3);
  auto from = make_model();
  from->forward(torch::rand({5, 3}));
  for (const std::string prefix : {"", "module."}) {
    StateDict tensors = state_dict(*from, prefix);
    for (auto& [name, tensor] : tensors) tensor = tensor.to(torch::kFloat64);
    auto to = make_model();
    load_state_dict(*to, tensors, "run/model_5.pt");
    for (size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_TRUE(identical(state_dict(*to)[i].second, state_dict(*from)[i].second))
          << tensors[i].first;
    }
    EXPECT_TRUE(to->parameters()[0].requires_grad());
  }
}

TEST(StateDictTest, CounterOfBatchesMayBeAbsent) {
  auto model = make_model();
  load_state_dict(*model, without(state_dict(*make_model()), "num_batches_tracked"),
                  "run/model_5.pt");
  EXPECT_THAT(
      load_error(*model, without(state_dict(*make_model()), "running_mean")),
      HasSubstr("run/model_5.pt: does not fit the model; 1 name is missing (1.running_mean)"));
}

TEST(StateDictTest, NamesWhatDoesNotFitAndChangesNothing) {
  auto model = make_model();
  const auto before = model->parameters()[0].detach().clone();
  StateDict tensors = without(state_dict(*make_model(6)), "2.bias");
  tensors.emplace_back("module.extra", torch::zeros({1}));
  const std::string message = load_error(*model, tensors);
  EXPECT_THAT(message, HasSubstr("1 name is missing (2.bias)"));
  EXPECT_THAT(message, HasSubstr("1 name is unexpected ('module.extra')"));
  EXPECT_THAT(
      message,
      HasSubstr(
          "7 shapes differ (0.weight is [6, 3], expected [4, 3], 0.bias is [6], expected [4],"));
  EXPECT_THAT(message, HasSubstr(" ...)"));
  EXPECT_THAT(message, Not(HasSubstr("2.weight")));
  EXPECT_TRUE(identical(model->parameters()[0].detach(), before));
}

TEST(StateDictTest, RefusesANameTwice) {
  StateDict tensors = state_dict(*make_model());
  tensors.emplace_back("0.weight", tensors[0].second);
  EXPECT_THAT(load_error(*make_model(), tensors),
              HasSubstr("'0.weight' both with and without 'module.'"));
}

}  // namespace
}  // namespace ipirm::checkpoint

// Weights copied to bfloat16 together: the bits of autocast's own copies, forward and backward.
#include "ipirm/model/bf16_weights.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <string>
#include <utility>

#include "ipirm/model/autocast.h"
#include "ipirm/model/model.h"

namespace ipirm::model {
namespace {

struct Pass {
  torch::Tensor projection1, projection2;
  std::vector<torch::Tensor> gradients;
};

// Two views of one batch, as a step embeds them.
Pass pass_of(Model& model, bool together, int64_t part_bytes = Bf16Weights::kWhole) {
  torch::manual_seed(4);
  Pass pass;
  {
    const Autocast autocast(torch::kCPU, true);
    const Bf16Weights weights(*model, together, part_bytes);
    pass.projection1 = model->forward(torch::randn({6, 3, 16, 16})).projection;
    pass.projection2 = model->forward(torch::randn({6, 3, 16, 16})).projection;
  }
  const auto loss = (pass.projection1 * pass.projection2.roll(1, 0)).sum();
  pass.gradients = torch::autograd::grad({loss}, model->parameters());
  return pass;
}

TEST(Bf16Weights, GiveTheBitsOfAutocast) {
  torch::manual_seed(3);
  Model model(ModelOptions{Arch::kResNet18, 16, 8});
  model->train();
  use_channels_last(*model);
  const auto expected = pass_of(model, false), found = pass_of(model, true);
  EXPECT_TRUE(found.projection1.equal(expected.projection1));
  EXPECT_TRUE(found.projection2.equal(expected.projection2));
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (size_t i = 0; i < found.gradients.size(); ++i) {
    EXPECT_EQ(found.gradients[i].scalar_type(), torch::kFloat32);
    // A linear layer's weight reaches autocast transposed, and is cast for each view by itself: the
    // sum of the two gradients is rounded to bfloat16 here, and not there.
    const bool is_linear = expected.gradients[i].dim() == 2;
    const auto difference = (found.gradients[i] - expected.gradients[i]).norm();
    const double bound = is_linear ? 1. / 256 : 0;
    EXPECT_LE(difference.item<double>(), bound * expected.gradients[i].norm().item<double>()) << i;
  }
}

TEST(Bf16Weights, GiveTheSameBitsInParts) {
  torch::manual_seed(3);
  Model model(ModelOptions{Arch::kResNet18, 16, 8});
  model->train();
  const auto expected = pass_of(model, true), found = pass_of(model, true, /*part_bytes=*/100000);
  EXPECT_TRUE(found.projection1.equal(expected.projection1));
  for (size_t i = 0; i < found.gradients.size(); ++i)
    EXPECT_TRUE(found.gradients[i].equal(expected.gradients[i])) << i;
}

// The last layers' gradients are back before the backward pass has come to the first one.
TEST(Bf16Weights, BringTheGradientsOfAPartBackAtOnce) {
  torch::nn::Linear first(4, 4), second(4, 4);
  torch::nn::Sequential layers(first, second);
  std::string events;
  for (const auto& [layer, name] : {std::pair(first, "first "), std::pair(second, "second ")})
    layer->weight.register_hook([&events, name = name](const torch::Tensor&) { events += name; });
  const auto x = torch::ones({2, 4}).requires_grad_();
  torch::Tensor loss;
  {
    const Autocast autocast(torch::kCPU, true);
    const Bf16Weights weights(*layers, true, /*part_bytes=*/1);
    auto between = first->forward(x);
    between.register_hook([&](const torch::Tensor&) { events += "between "; });
    loss = second->forward(between.relu()).sum();
  }
  torch::autograd::backward({loss});
  EXPECT_EQ(events, "second between first ");
}

TEST(Bf16Weights, GiveTheParametersBack) {
  torch::nn::Linear layer(3, 2);
  {
    const Bf16Weights weights(*layer, true);
    EXPECT_EQ(layer->weight.scalar_type(), torch::kBFloat16);
    EXPECT_EQ(layer->bias.scalar_type(), torch::kBFloat16);
    EXPECT_EQ(layer->parameters()[0].scalar_type(), torch::kFloat32);
    const Bf16Weights nothing(*torch::nn::Sequential(), true);
  }
  EXPECT_TRUE(layer->weight.is_same(layer->parameters()[0]));
  EXPECT_TRUE(layer->bias.is_same(layer->parameters()[1]));
}

}  // namespace
}  // namespace ipirm::model

// Tests of the network against golden values: names and shapes, forward, gradients, running
// statistics, Adam.
#include "ipirm/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "ipirm/core/error.h"
#include "support/golden.h"

namespace ipirm::model {
namespace {

using testing::golden;
using testing::relative_error;

constexpr double kTolerance = 1e-7;      // golden/README.md, model
constexpr double kAdamTolerance = 1e-4;  // golden/README.md, model_adam

// "module.f.0.weight,64x3x3x3" lines: parameters, then buffers of each module, modules in order of
// registration.
std::vector<std::string> names_and_shapes(const torch::nn::Module& model) {
  std::vector<std::string> lines;
  for (const auto& module : model.named_modules("module")) {
    const auto add = [&](const auto& item) {
      std::ostringstream line;
      line << module.key() << '.' << item.key() << ',';
      for (int64_t d = 0; d < item.value().dim(); ++d)
        line << (d > 0 ? "x" : "") << item.value().size(d);
      if (item.value().dim() == 0) line << "scalar";
      line << (item.value().scalar_type() == torch::kInt64 ? ",int64" : ",float32");
      lines.push_back(line.str());
    };
    for (const auto& parameter : module.value()->named_parameters(/*recurse=*/false))
      add(parameter);
    for (const auto& buffer : module.value()->named_buffers(/*recurse=*/false)) add(buffer);
  }
  return lines;
}

// The weights that golden/README.md gives for `model`.
void fill_with_sines(ModelImpl& model) {
  torch::NoGradGuard no_grad;
  int64_t n = 0;
  for (auto& item : model.named_parameters()) {
    torch::Tensor& w = item.value();
    const torch::Tensor angle = 0.7 * torch::arange(w.numel(), torch::kFloat64).view(w.sizes()) +
                                1.3 * static_cast<double>(n++);
    if (w.dim() > 1) {
      w.copy_(angle.sin() * std::sqrt(3.0 / static_cast<double>(w[0].numel())));
    } else if (item.key().ends_with("weight")) {
      w.copy_(1 + 0.1 * angle.sin());
    } else {
      w.copy_(0.1 * angle.sin());
    }
  }
}

Model golden_model() {
  Model model(ModelOptions{});
  model->to(torch::kFloat64);
  fill_with_sines(*model);
  return model;
}

TEST(Model, NamesShapesAndOrderAreTheReferences) {
  std::ifstream file("tests/golden/model/state_dict_keys.csv");
  std::vector<std::string> expected;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) expected.push_back(line);
  ASSERT_EQ(expected.size(), 326u);
  EXPECT_EQ(names_and_shapes(*Model(ModelOptions{})), expected);
}

TEST(Model, EvaluationForwardIsTheReferences) {
  Model model = golden_model();
  model->eval();
  torch::NoGradGuard no_grad;
  const torch::Tensor input = golden("model", "input");
  const Embedding out = model->forward(input);
  EXPECT_LT(relative_error(out.feature, golden("model", "eval_feature")), kTolerance);
  EXPECT_LT(relative_error(out.projection, golden("model", "eval_projection")), kTolerance);
  const torch::Tensor h = model->encode(input);
  EXPECT_LT(relative_error(h / h.norm(2, 1, true), golden("model", "eval_feature")), kTolerance);
}

TEST(Model, TrainingForwardGradientsAndAdamAreTheReferences) {
  Model model = golden_model();
  const torch::Tensor input = golden("model", "input"), weights = golden("model", "loss_weights");
  const auto loss_of = [&](const Embedding& out) { return (out.projection * weights).sum(); };

  const Embedding out = model->forward(input);
  const torch::Tensor loss = loss_of(out);
  EXPECT_NEAR(loss.item<double>(), -0.34951049377392285, kTolerance);  // model/case.yaml
  EXPECT_LT(relative_error(out.feature, golden("model", "train_feature")), kTolerance);
  EXPECT_LT(relative_error(out.projection, golden("model", "train_projection")), kTolerance);

  loss.backward();
  std::vector<double> norms;
  for (const torch::Tensor& p : model->parameters())
    norms.push_back(p.grad().norm().item<double>());
  const torch::Tensor expected_norms = golden("model", "grad_norms");
  ASSERT_EQ(static_cast<int64_t>(norms.size()), expected_norms.numel());
  const torch::Tensor error = torch::tensor(norms, torch::kFloat64) - expected_norms;
  EXPECT_LT((error.abs() / expected_norms).max().item<double>(), kTolerance);

  const auto buffers = model->named_buffers();
  const auto check = [&](const char* buffer, const char* file) {
    EXPECT_LT(relative_error(buffers[buffer], golden("model", file)), kTolerance);
  };
  check("f.1.running_mean", "bn1_running_mean");
  check("f.1.running_var", "bn1_running_var");
  check("g.1.running_mean", "head_bn_running_mean");
  check("g.1.running_var", "head_bn_running_var");
  EXPECT_EQ(buffers["f.1.num_batches_tracked"].item<int64_t>(), 1);

  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(1e-3).weight_decay(1e-6));
  const torch::Tensor expected_losses = golden("model_adam", "losses");
  for (int64_t step = 0; step <= 3; ++step) {
    const torch::Tensor loss_now = loss_of(model->forward(input));
    EXPECT_NEAR(loss_now.item<double>(), expected_losses[step].item<double>(), kAdamTolerance)
        << "before step " << step;
    if (step == 3) break;
    adam.zero_grad();
    loss_now.backward();
    adam.step();
  }
}

}  // namespace
}  // namespace ipirm::model

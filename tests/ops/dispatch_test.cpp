// The convention of ops/dispatch.h: every operator is called through the dispatcher, has an
// implementation for every device, and none asks where its tensors are.
#include "ops/dispatch.h"

#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "ipirm/ops/environment_loss.h"
#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"
#include "ops/operator_inputs.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;

// Names of the operators of this library that the dispatcher is asked for during `call`.
template <class Call>
std::set<std::string> dispatched(const Call& call) {
  static std::mutex mutex;
  static std::set<std::string> names;
  names.clear();
  const auto handle =
      at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function)
                                                           -> std::unique_ptr<at::ObserverContext> {
                              const std::lock_guard lock(mutex);
                              const std::string name = function.name();
                              if (name.starts_with("ipirm::")) names.insert(name);
                              return nullptr;
                            }).scopes({at::RecordScope::FUNCTION}));
  call();
  at::removeCallback(handle);
  return names;
}

std::vector<c10::OperatorHandle> operators() {
  std::vector<c10::OperatorHandle> out;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    // The switch of the warning takes no tensors.
    if (name.name.starts_with("ipirm::") && name.name != "ipirm::set_norm_warning") {
      out.push_back(c10::Dispatcher::singleton().findOp(name).value());
    }
  }
  return out;
}

TEST(Dispatch, TheCppFunctionsCallTheDispatcher) {
  using ::testing::UnorderedElementsAre;
  auto in = random_inputs(8, 4, 2);
  EXPECT_THAT(dispatched([&] { partition_risk(in.z1, in.z2, in.weights, .5, .5, 1); }),
              UnorderedElementsAre("ipirm::partition_risk"));
  EXPECT_THAT(dispatched([&] {
                partition_risk_mixup(in.z1, in.z2, in.weights, in.lam, in.partner, .5, 1);
              }),
              UnorderedElementsAre("ipirm::partition_risk_mixup"));
  in.z1.requires_grad_(true);
  Tensor contrastive;
  EXPECT_THAT(dispatched([&] {
                contrastive =
                    std::get<0>(environment_loss(in.z1, in.z2, in.environment, 2, .5, .5));
              }),
              UnorderedElementsAre("ipirm::environment_loss", "ipirm::_environment_loss_forward"));
  EXPECT_THAT(dispatched([&] { contrastive.sum().backward(); }),
              UnorderedElementsAre("ipirm::_environment_loss_backward"));
}

TEST(Dispatch, EveryOperatorIsRegisteredForEveryDevice) {
  EXPECT_EQ(operators().size(), 5);
  for (const auto& op : operators()) {
    for (const auto key : {c10::DispatchKey::CPU, c10::DispatchKey::CUDA,
                           c10::DispatchKey::PrivateUse1, c10::DispatchKey::Meta}) {
      EXPECT_TRUE(op.hasComputedKernelForDispatchKey(key))
          << op.operator_name().name << " on " << c10::toString(key);
    }
  }
}

TEST(Dispatch, MetaTensorsHaveTheShapesOfReal) {
  const auto in = random_inputs(8, 4, 3, 2);
  const auto meta = in.to(torch::kMeta);
  const auto expect_shapes = [](const std::vector<Tensor>& found,
                                const std::vector<Tensor>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(found[i].is_meta());
      EXPECT_EQ(found[i].sizes(), expected[i].sizes());
      EXPECT_EQ(found[i].dtype(), expected[i].dtype());
    }
  };
  const auto index = torch::tensor({1, 0, 5}, torch::kInt64);
  const auto risk = [&](const OperatorInputs& t) {
    const auto [c, p, g] = partition_risk(t.z1, t.z2, t.weights.slice(0, 0, 3), .5, .5, 1, false,
                                          index.to(t.z1.device()));
    return std::vector{c, p, g};
  };
  expect_shapes(risk(meta), risk(in));
  const auto mixup = [&](const OperatorInputs& t) {
    const auto [c, p, g] = partition_risk_mixup(t.z1, t.z2, t.weights, t.lam, t.partner, .5, 1);
    return std::vector{c, p, g};
  };
  expect_shapes(mixup(meta), mixup(in));
  const auto loss = [&](const OperatorInputs& t) {
    const auto [c, p] = environment_loss(t.z1, t.z2, t.environment, 3, .5, .5);
    return std::vector{c, p};
  };
  expect_shapes(loss(meta), loss(in));
}

// FakeTensor knows the state's shape before there are values: it may not depend on the path that
// the forward pass takes.
TEST(Dispatch, TheStateOfEnvironmentLossHasOneShape) {
  using Forward = std::tuple<Tensor, Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&,
                                                     int64_t, double, double);
  const auto forward = find_operator<Forward>("ipirm::_environment_loss_forward");
  const auto in = random_inputs(8, 4, 3, 2);
  const auto state_at = [&](const OperatorInputs& t, double temperature) {
    return std::get<2>(forward.call(t.z1, t.z2, t.environment, 3, temperature, temperature));
  };
  const auto expected = state_at(in.to(torch::kMeta), .5);
  for (const double temperature : {.5, .02}) {  // the fused kernels, and the ATen form
    const auto state = state_at(in, temperature);
    EXPECT_EQ(state.sizes(), expected.sizes());
    EXPECT_EQ(state.strides(), expected.strides());
    EXPECT_EQ(state.dtype(), expected.dtype());
  }
}

TEST(Dispatch, NoSourceAsksForTheDevice) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("src/ops")) {
    const auto extension = entry.path().extension();
    if (extension != ".cpp" && extension != ".h") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    for (const char* question : {"is_cpu(", "is_cuda(", "is_privateuseone(", "device_type("}) {
      EXPECT_EQ(text.str().find(question), std::string::npos) << entry.path() << ": " << question;
    }
    ++files;
  }
  EXPECT_GT(files, 20);
}

}  // namespace
}  // namespace ipirm::ops

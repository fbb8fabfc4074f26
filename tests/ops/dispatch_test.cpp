// The convention of ops/dispatch.h: every operator is called through the dispatcher, has an
// implementation for every device, and none asks where its tensors are.
#include "ops/dispatch.h"

#include <ATen/record_function.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>

#include "ipirm/ops/environment_loss.h"
#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"
#include "ops/device_kernels.h"
#include "ops/environment_loss_aten.h"
#include "ops/operator_inputs.h"
#include "ops/risk_implementations.h"

namespace ipirm::ops {
namespace {

using torch::Tensor;
using Tensors = std::tuple<Tensor, Tensor, Tensor>;

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
  EXPECT_EQ(operators().size(), 7);
  for (const auto& op : operators()) {
    // A team adds up values, which tensors of shapes alone do not have.
    const bool has_team = op.operator_name().name.find("::_shared_") != std::string::npos;
    for (const auto key : {c10::DispatchKey::CPU, c10::DispatchKey::CUDA,
                           c10::DispatchKey::PrivateUse1, c10::DispatchKey::Meta}) {
      if (has_team && key == c10::DispatchKey::Meta) continue;
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

// Kernels that count their calls and are the ATen form otherwise.
int calls = 0;
Tensors counted_risk(const Tensor& z1, const Tensor& z2, const Tensor& weights, double t,
                     double irm_t, double w, bool nonorm, const std::optional<Tensor>& index,
                     const TeamPointer& team) {
  ++calls;
  return aten::shared_partition_risk(z1, z2, weights, t, irm_t, w, nonorm, index, team);
}
Tensors counted_mixup(const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
                      const std::optional<Tensor>& partner, double t, double w, bool nonorm,
                      const TeamPointer& team) {
  ++calls;
  return aten::shared_partition_risk_mixup(z1, z2, weights, lam, partner, t, w, nonorm, team);
}
Tensors counted_forward(const Tensor& z1, const Tensor& z2, const Tensor& environment, int64_t k,
                        double t, double irm_t) {
  ++calls;
  return aten::environment_loss_forward(z1, z2, environment, k, t, irm_t, aten::kCacheBlocks);
}
std::tuple<Tensor, Tensor> counted_backward(const Tensor& dc, const Tensor& dp, const Tensor& z1,
                                            const Tensor& z2, const Tensor& environment,
                                            const Tensor&, int64_t k, double t, double irm_t) {
  ++calls;
  return aten::environment_loss_backward(dc, dp, z1, z2, environment, k, t, irm_t,
                                         aten::kCacheBlocks);
}

// Calls all four operators that a device may have kernels for as a tensor of `key` would, but with
// tensors of the host.
void call_all(c10::DispatchKey key, const OperatorInputs& in) {
  const c10::DispatchKeySet keys(key);
  find_operator<PartitionRisk>("ipirm::partition_risk")
      .redispatch(keys, in.z1, in.z2, in.weights, .5, .5, 1, false, std::nullopt);
  find_operator<PartitionRiskMixup>("ipirm::partition_risk_mixup")
      .redispatch(keys, in.z1, in.z2, in.weights, in.lam, in.partner, .5, 1, false);
  const auto [c, p, state] =
      find_operator<EnvironmentLossForward>("ipirm::_environment_loss_forward")
          .redispatch(keys, in.z1, in.z2, in.environment, 3, .5, .5);
  find_operator<EnvironmentLossBackward>("ipirm::_environment_loss_backward")
      .redispatch(keys, c, p, in.z1, in.z2, in.environment, state, 3, .5, .5);
}

TEST(Dispatch, ADeviceTakesItsKernelsFromTheTableForFloat32) {
  const auto in = random_inputs(8, 4, 3, 2);
  auto& row = device_kernels(torch::kPrivateUse1);
  const auto before = row;
  calls = 0;
  row = {};
  call_all(c10::DispatchKey::PrivateUse1, in.to(torch::kFloat32));
  EXPECT_EQ(calls, 0);
  row = {counted_risk, counted_mixup, counted_forward, counted_backward, nullptr};
  call_all(c10::DispatchKey::PrivateUse1, in.to(torch::kFloat32));
  EXPECT_EQ(calls, 4);
  call_all(c10::DispatchKey::PrivateUse1, in);  // float64 stays with ATen
  call_all(c10::DispatchKey::CPU, in.to(torch::kFloat32));
  EXPECT_EQ(calls, 4);
  row.run_on = [](c10::DeviceIndex) { return false; };  // a card older than they are
  call_all(c10::DispatchKey::PrivateUse1, in.to(torch::kFloat32));
  EXPECT_EQ(calls, 4);
  row.run_on = [](c10::DeviceIndex) { return true; };
  call_all(c10::DispatchKey::PrivateUse1, in.to(torch::kFloat32));
  EXPECT_EQ(calls, 8);
  row = before;
}

struct CountWarnings : c10::WarningHandler {
  void process(const c10::Warning& warning) override {
    EXPECT_NE(warning.msg().find("libipirm_cuda.so is not"), std::string::npos) << warning.msg();
    ++count;
  }
  int count = 0;
};

TEST(Dispatch, CudaWithoutKernelsSaysSoOnce) {
  const auto in = random_inputs(8, 4, 3, 2);
  auto& row = device_kernels(torch::kCUDA);
  const auto before = row;
  row = {};
  CountWarnings warnings;
  {
    const c10::WarningUtils::WarningHandlerGuard guard(&warnings);
    call_all(c10::DispatchKey::CUDA, in);  // float64 never has kernels
    EXPECT_EQ(warnings.count, 0);
    call_all(c10::DispatchKey::CUDA, in.to(torch::kFloat32));
    call_all(c10::DispatchKey::CUDA, in.to(torch::kFloat32));
    EXPECT_LE(warnings.count, 1);  // 0 where a test on a GPU came before
    const c10::WarningUtils::WarnAlways always;
    const int so_far = warnings.count;
    call_all(c10::DispatchKey::CUDA, in.to(torch::kFloat32));
    EXPECT_EQ(warnings.count - so_far, 4);
  }
  row = before;
}

TEST(Dispatch, NoSourceAsksForTheDevice) {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("src/ops")) {
    const auto extension = entry.path().extension();
    if (extension != ".cpp" && extension != ".h" && extension != ".cu" && extension != ".cuh") {
      continue;
    }
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

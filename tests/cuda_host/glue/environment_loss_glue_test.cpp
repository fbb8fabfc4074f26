// environment_loss through the dispatcher with its CUDA kernels, which run on the CPU, in place of
// a device's: every entry of the gradient against autograd of the definition in float64.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "ops/cuda/kernels.h"
#include "ops/dispatch.h"
#include "ops/environment_state.h"
#include "ops/expectations.h"
#include "ops/operator_inputs.h"
#include "ops/plain_environment_loss.h"

namespace ipirm::ops::cuda {

namespace {

using torch::Tensor;

class EnvironmentLossGlue : public ::testing::Test {
 protected:
  EnvironmentLossGlue() : before_(device_kernels(torch::kPrivateUse1)) {
    device_kernels(torch::kPrivateUse1) = all_kernels();
  }
  ~EnvironmentLossGlue() override { device_kernels(torch::kPrivateUse1) = before_; }

  // As a tensor of PrivateUse1 would call the operators, with tensors of the host.
  static constexpr c10::DispatchKey kKey = c10::DispatchKey::PrivateUse1;
  static std::tuple<Tensor, Tensor, Tensor> forward(const OperatorInputs& in, int64_t num_env,
                                                    double t, double irm_t) {
    return find_operator<EnvironmentLossForward>("ipirm::_environment_loss_forward")
        .redispatch(c10::DispatchKeySet(kKey), in.z1, in.z2, in.environment, num_env, t, irm_t);
  }
  static std::tuple<Tensor, Tensor> backward(const Tensor& dc, const Tensor& dp,
                                             const OperatorInputs& in, const Tensor& state,
                                             int64_t num_env, double t, double irm_t) {
    return find_operator<EnvironmentLossBackward>("ipirm::_environment_loss_backward")
        .redispatch(c10::DispatchKeySet(kKey), dc, dp, in.z1, in.z2, in.environment, state, num_env,
                    t, irm_t);
  }

 private:
  const DeviceKernels before_;
};

struct Expected {
  Tensor contrastive, penalty, grad_z1, grad_z2;
};
Expected expected(const OperatorInputs& in, int64_t num_env, double t, double irm_t,
                  const Tensor& dc, const Tensor& dp) {
  const auto z1 = in.z1.to(torch::kFloat64).requires_grad_(true),
             z2 = in.z2.to(torch::kFloat64).requires_grad_(true);
  const auto [c, p] = plain_environment_loss(z1, z2, in.environment, num_env, t, irm_t);
  const auto grads =
      torch::autograd::grad({c, p}, {z1, z2}, {dc.to(torch::kFloat64), dp.to(torch::kFloat64)});
  return {c.detach(), p.detach(), grads[0], grads[1]};
}

TEST_F(EnvironmentLossGlue, EqualsAutogradOfTheDefinition) {
  for (const auto& [batch, d, partitions, num_env, t, irm_t] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, double, double>>{
           {13, 6, 4, 2, .5, .5}, {70, 128, 14, 2, .2, .2}, {130, 37, 3, 5, .5, .1}}) {
    SCOPED_TRACE(std::to_string(batch) + " samples");
    const auto in = random_inputs(batch, d, num_env, partitions).to(torch::kFloat32);
    const auto dc = torch::randn({partitions, num_env}), dp = torch::randn({partitions, num_env});
    const auto [c, p, state] = forward(in, num_env, t, irm_t);
    const auto [g1, g2] = backward(dc, dp, in, state, num_env, t, irm_t);
    const auto right = expected(in, num_env, t, irm_t, dc, dp);
    expect_close(Risk{c, p, g1}, {right.contrastive, right.penalty, right.grad_z1}, kFloat32);
    expect_close(g2, right.grad_z2, kFloat32.grad);
    const auto shape = environment_state_shape(partitions, num_env, batch);
    EXPECT_EQ(state.sizes(), c10::IntArrayRef(shape));
    EXPECT_EQ(state.dtype(), torch::kFloat64);
  }
}

// Gradients of a mean are expanded, and views of features are strided.
TEST_F(EnvironmentLossGlue, ArgumentsNeedNotBeContiguous) {
  const auto in = random_inputs(20, 8, 2, 3).to(torch::kFloat32);
  auto strided = in;
  strided.z1 = torch::cat({in.z1, in.z1}, 1).slice(1, 0, 8);
  strided.z2 = in.z2.t().contiguous().t();
  strided.environment = in.environment.t().contiguous().t();
  const auto dc = torch::full({1, 1}, .25).expand({3, 2}), dp = torch::ones({2, 3}).t();
  const auto [c, p, state] = forward(in, 2, .5, .4);
  const auto [c2, p2, state2] = forward(strided, 2, .5, .4);
  EXPECT_TRUE(c.equal(c2) && p.equal(p2));
  const auto [g1, g2] = backward(dc.contiguous(), dp.contiguous(), in, state, 2, .5, .4);
  const auto [h1, h2] = backward(dc, dp, strided, state2, 2, .5, .4);
  EXPECT_TRUE(g1.equal(h1) && g2.equal(h2));
}

}  // namespace
}  // namespace ipirm::ops::cuda

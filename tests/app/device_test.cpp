// The choice of a device, and PyTorch's switches for how it computes.
#include "ipirm/app/device.h"

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/user_error.h"

namespace ipirm::app {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Device, IsDescribedForTheFirstLines) {
  EXPECT_THAT(describe(torch::kCPU), StartsWith("CPU, "));
  EXPECT_EQ(to_text({"NVIDIA H100 80GB HBM3", uint64_t{85000000000}, 9, 0}),
            "NVIDIA H100 80GB HBM3, 79.2 GiB, compute capability 9.0");
}

TEST(Device, AGpuThatIsNotThereIsRefused) {
  EXPECT_EQ(choose_device({core::DeviceKind::kCpu}), torch::Device(torch::kCPU));
  EXPECT_THAT(test::user_error([] {
                choose_device({core::DeviceKind::kCuda, 63});
              }),
              HasSubstr("--device cuda:63: "));
}

// As on a GPU: the switches are the process's, and the CPU does not look at them.
TEST(Device, ComputesAsAskedFor) {
  const torch::Device gpu(torch::kCUDA, 0);
  auto& context = at::globalContext();
  set_arithmetic(gpu, {});
  EXPECT_FALSE(context.allowTF32CuDNN() || context.allowTF32CuBLAS());
  EXPECT_TRUE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.deterministicAlgorithms());
  set_arithmetic(gpu, {.precision = model::Precision::kTf32, .sizes_vary = true});
  EXPECT_TRUE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS() || context.benchmarkCuDNN());
  set_arithmetic(gpu, {.deterministic = true});
  EXPECT_TRUE(context.deterministicAlgorithms() && context.deterministicCuDNN());
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_STREQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), ":4096:8");
  context.setDeterministicAlgorithms(false, false);
  context.setDeterministicCuDNN(false);
}

}  // namespace
}  // namespace ipirm::app

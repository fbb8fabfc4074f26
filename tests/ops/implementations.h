// The implementations of an operator, which all have to pass the same tests.
#pragma once

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace ipirm::ops {

struct Implementation {
  const char* name;
  torch::Device device;
  // Whether the ATen form is called by its name; otherwise the operator is, and the dispatcher
  // chooses.
  bool aten;
};

inline std::vector<Implementation> implementations() {
  return {
      {"Cpu", torch::kCPU, false}, {"AtenOnCpu", torch::kCPU, true}, {"Cuda", torch::kCUDA, false}};
}

// The base of an operator's tests: INSTANTIATE_TEST_SUITE_P with ValuesIn(implementations()).
class EveryImplementation : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override {
    if (GetParam().device.is_cuda() && !torch::cuda::is_available()) {
      GTEST_SKIP() << "this machine has no GPU that PyTorch can use";
    }
  }
};

inline std::string name_of(const ::testing::TestParamInfo<Implementation>& test) {
  return test.param.name;
}

}  // namespace ipirm::ops

// The guard that puts a network's mode back.
#include "ipirm/model/keep_mode.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>

#include <stdexcept>

namespace ipirm::model {
namespace {

TEST(KeepMode, HoldsForTheScopeAlone) {
  torch::nn::Sequential net(torch::nn::BatchNorm1d(3));
  {
    const KeepMode evaluating(*net, Mode::kEvaluation);
    EXPECT_FALSE(net->is_training());
    EXPECT_FALSE(net[0]->is_training());
    {
      const KeepMode training(*net, Mode::kTraining);
      EXPECT_TRUE(net[0]->is_training());
    }
    EXPECT_FALSE(net[0]->is_training());
  }
  EXPECT_TRUE(net[0]->is_training());
  net->eval();
  { const KeepMode training(*net, Mode::kTraining); }
  EXPECT_FALSE(net->is_training());
  EXPECT_FALSE(net[0]->is_training());
}

TEST(KeepMode, IsPutBackByAnExceptionToo) {
  torch::nn::Sequential net(torch::nn::BatchNorm1d(3));
  const auto fail = [&] {
    const KeepMode evaluating(*net, Mode::kEvaluation);
    throw std::runtime_error("half-way");
  };
  EXPECT_THROW(fail(), std::runtime_error);
  EXPECT_TRUE(net[0]->is_training());
}

}  // namespace
}  // namespace ipirm::model

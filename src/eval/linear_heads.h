// The linear classifiers of one factor: one for each learning rate with each weight decay.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/linear_split.h"
#include "eval/linear_totals.h"
#include "ipirm/data/image_set.h"
#include "ipirm/dist/group.h"
#include "ipirm/dist/share.h"
#include "ipirm/eval/linear_probe.h"
#include "ipirm/eval/options.h"

namespace ipirm::eval {

class LinearHeads {
 public:
  // Heads on h of `inputs` values, for factor number `factor` of the sets. Throws UserError where
  // an image's value is unknown, or the sets differ in how many values there are.
  LinearHeads(const LinearSplit& split, const data::ImageSet& test, int factor, int64_t inputs,
              const LinearOptions& options, torch::Device device);

  size_t size() const { return classifiers_.size(); }

  // Empty totals, one a head.
  std::vector<LinearTotals> new_totals(bool by_class) const;

  // One step of Adam for every head, on a batch of which this rank has `shares`: features h (n, F),
  // which carry no graph; index (n) int64, the images' places in the training set, on the device.
  void train(const torch::Tensor& h, const torch::Tensor& index, const dist::Shares& shares,
             dist::Group& group, std::vector<LinearTotals>& totals);
  // Moves every head to the minimum of its loss over all training images, of which h (n, F) are
  // this rank's share, and adds what it reaches there. False once the ranks stop, which leaves
  // every head as it was.
  bool minimize(const torch::Tensor& h, const dist::Shares& shares, dist::Group& group,
                const std::string& label, std::vector<LinearTotals>& totals);

  // h: of this rank's share of the test images, or of those held out.
  void test(const torch::Tensor& h, const dist::Shares& shares,
            std::vector<LinearTotals>& totals) const {
    measure(h, shares, test_labels_, totals);
  }
  void test_held(const torch::Tensor& h, const dist::Shares& shares,
                 std::vector<LinearTotals>& totals) const {
    measure(h, shares, held_labels_, totals);
  }

  // Of each of h (n, F): the value that a head finds most probable, (n) int64, and that
  // probability, (n) float32.
  std::pair<torch::Tensor, torch::Tensor> predict(const torch::Tensor& h, size_t head) const;
  // Its "weight" (C, F) and "bias" (C), shared.
  NamedTensors parameters(size_t head) const;

  // Adds classifiers and Adam's state; tensors are shared but for the step.
  void add_state(NamedTensors& tensors, size_t factor) const;
  // fill(name, tensor) copies the saved tensor of that name.
  void restore(size_t factor, const std::function<void(const std::string&, torch::Tensor)>& fill);

 private:
  // The logits (n, C) of each head: of several by one product of matrices.
  std::vector<torch::Tensor> logits(const torch::Tensor& h) const;
  void measure(const torch::Tensor& h, const dist::Shares& shares, const torch::Tensor& all_labels,
               std::vector<LinearTotals>& totals) const;
  void sum_gradients(dist::Group& group);
  std::string state_name(const char* what, size_t factor, size_t head,
                         const std::string& parameter) const;
  torch::optim::AdamParamState& moments_of(const torch::Tensor& parameter) const;

  const LinearOptions options_;
  const torch::Device device_;
  int64_t num_values_ = 0;
  torch::Tensor train_labels_, held_labels_, test_labels_;  // (N) int64 each, on the device
  mutable std::vector<torch::nn::Linear> classifiers_;      // forward() is not const
  mutable std::optional<torch::optim::Adam> adam_;          // its state() is not const
};

}  // namespace ipirm::eval

// What a classifier reaches on images: sums that stay on the device until they are read.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "ipirm/dist/group.h"

namespace ipirm::eval {

class LinearTotals {
 public:
  // num_values: how many classes are told apart where accuracy is asked for by class too; 0: it is
  // not.
  explicit LinearTotals(torch::Device device, int64_t num_values = 0);

  // Adds n images. mean_loss: the mean of theirs, a scalar; logits (n, C); labels (n) int64.
  void add(const torch::Tensor& mean_loss, const torch::Tensor& logits,
           const torch::Tensor& labels);
  // From now on those of all ranks.
  void sum(dist::Group& group);

  struct Means {
    double loss, top1, top5;  // the last two in percent
    // The mean over the classes that have images of each one's top-1, percent; NaN where it was not
    // asked for.
    double class_top1;
  };
  // Waits for the device.
  Means read() const;

 private:
  torch::Tensor sums_;      // (4) float64: loss, hits among the first 1 and the first 5, images
  torch::Tensor by_class_;  // (2, C) float64: hits, images; undefined where not asked for
};

// "loss 1.2345, acc@1 56.78", for the progress line.
std::string words(const LinearTotals& totals);

}  // namespace ipirm::eval

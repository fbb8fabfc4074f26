// The linear evaluation of METHOD 7: a frozen encoder, a linear classifier on h, accuracy after
// each epoch.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/augment/options.h"
#include "ipirm/core/named_value.h"
#include "ipirm/data/image_set.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/eval/options.h"

namespace ipirm::eval {

// What a factor's classifier reaches in one epoch.
struct LinearEpoch {
  int64_t epoch = 0;  // 1-based
  double train_loss = 0, train_top1 = 0, train_top5 = 0;
  double test_loss = 0, test_top1 = 0, test_top5 = 0;  // accuracy in percent
  // The mean over the test images' classes of each one's top-1, percent; NaN where a state of an
  // older version does not say.
  double class_top1 = std::numeric_limits<double>::quiet_NaN();
  // Which of several heads it is, and what that reaches on the held-out images: NaN where there is
  // one head alone, and none are held out.
  int64_t head = 0;
  double held_loss = std::numeric_limits<double>::quiet_NaN();
  double held_top1 = std::numeric_limits<double>::quiet_NaN();
  double held_top5 = std::numeric_limits<double>::quiet_NaN();
};

// "train_loss", "train_acc@1", "train_acc@5", the same of "test_", "class_acc@1" and, where images
// are held out, the same of "held_out_".
core::NamedValues scores_of(const LinearEpoch& epoch);

// Whether a counts before b: by the loss on the held-out images where there are some, by the test's
// top-1 otherwise. (The top-1 of a tenth is coarse: of 144 images one step is .7 points.)
bool is_better(const LinearEpoch& a, const LinearEpoch& b);

// A state's tensors by name: the same type as checkpoint::StateDict, which this room does not know.
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// What a classifier says of each test image, in the set's order; on the CPU.
struct Predictions {
  torch::Tensor value;        // (N) int64: the most probable value of the factor
  torch::Tensor probability;  // (N) float32, 0..1
};

// Trains a linear classifier for each known factor of `train`'s images (the class first) on one and
// the same frozen encoder, or several for each (LinearOptions), and tests them on `test` after
// every epoch.
class LinearProbe {
 public:
  // The network and the sets must outlive it. The ranks of run.group share each batch out, and all
  // have the results and the state of the whole (METHOD 12). Throws UserError where an image's
  // factor is unknown, or no image can be held out.
  LinearProbe(model::Model& model, const data::ImageSet& train, const data::ImageSet& test,
              const LinearOptions& options, const augment::AugmentOptions& augment,
              const RunOptions& run);
  ~LinearProbe();

  // Trains and tests once more: one result a factor, that of its best head, or nothing once the
  // ranks stop, which ends it early and leaves a state between two epochs. number: from 1; all
  // random draws are keyed by it.
  std::optional<std::vector<LinearEpoch>> epoch(int64_t number);
  // What each factor's heads reached in that epoch.
  const std::vector<std::vector<LinearEpoch>>& heads() const;

  // "weight" (C, F) and "bias" (C) of one of a factor's heads, shared.
  NamedTensors classifier(size_t factor, int64_t head) const;
  // What one head of each factor says of the test images, where the encoder stands now; nothing
  // once the ranks stop.
  std::optional<std::vector<Predictions>> predict(const std::vector<int64_t>& heads);

  // All that an epoch changes and the next one needs: classifiers, Adam's moments and steps, and
  // under `--bn train` the running statistics of the encoder. The tensors are shared where they can
  // be: copy what is to last.
  NamedTensors state() const;
  // Puts back what state() gave after an epoch, so that the next one gives the same bits. Throws
  // UserError, naming `source`, for tensors that are missing or of another shape or type.
  void restore(const NamedTensors& state, const std::string& source);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ipirm::eval

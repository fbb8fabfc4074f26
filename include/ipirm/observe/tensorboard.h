// A run's events as TensorBoard's curves, texts and images (METHOD 9; src/checkpoint/FORMAT.md).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/observe/event_files.h"
#include "ipirm/train/observer.h"

namespace ipirm::observe {

struct TensorBoardOptions {
  // Samples of a step, for the samples per second.
  int64_t batch_size = 1;
  // Whose memory is shown beside the process's.
  torch::Device device = torch::kCPU;
  // Of the training images, which the contact sheets show; null: no sheets.
  std::shared_ptr<const data::ImageSet> set;
};

// Curves over the steps of the run are called "step/...", those over its epochs "epoch/...",
// "partition/..." and after each evaluation ("knn/FACTOR/SCORE"), and those over the passes of the
// search after epoch E "search_E/...".
class TensorBoard : public train::Observer {
 public:
  TensorBoard(EventSink sink, TensorBoardOptions options)
      : sink_(std::move(sink)), options_(std::move(options)) {}

  void step(const train::StepRecord& record) override;
  void epoch(const train::EpochRecord& record) override;
  void maximize_pass(const train::MaximizePassRecord& record) override;
  void maximize(const train::MaximizeRecord& record) override;
  void evaluation(const train::EvaluationRecord& record) override;

 private:
  EventSink sink_;
  TensorBoardOptions options_;
};

// The text "settings": `yaml` as a run's config.yaml has it, as a table a group, for the step 0.
std::string settings_event(const std::string& yaml);

}  // namespace ipirm::observe

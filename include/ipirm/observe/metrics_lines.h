// metrics.jsonl: every event as a line of JSON at full precision (METHOD 9;
// src/checkpoint/FORMAT.md).
#pragma once

#include "ipirm/observe/text_files.h"
#include "ipirm/train/observer.h"

namespace ipirm::observe {

// Events "step", "epoch", "maximize_pass", "maximize", and one named after each evaluation ("knn",
// "linear"); the keys are those of the records, and the terms' and the scores' names.
class MetricsLines : public train::Observer {
 public:
  explicit MetricsLines(LineSink sink) : sink_(std::move(sink)) {}

  void step(const train::StepRecord& record) override;
  void epoch(const train::EpochRecord& record) override;
  void maximize_pass(const train::MaximizePassRecord& record) override;
  void maximize(const train::MaximizeRecord& record) override;
  void evaluation(const train::EvaluationRecord& record) override;

 private:
  LineSink sink_;
};

}  // namespace ipirm::observe

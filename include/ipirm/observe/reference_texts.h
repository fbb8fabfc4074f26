// The reference's text files, in its words, so that scripts which read its logs read ours
// (METHOD 9; src/checkpoint/FORMAT.md).
#pragma once

#include "ipirm/observe/text_files.h"
#include "ipirm/train/observer.h"

namespace ipirm::observe {

// "Train Epoch: [3/400] [256/50000]  Loss: 5.1234  LR: 0.001000  PW 0.2000": Loss is the mean of
// the epoch so far.
std::string step_line(const train::StepRecord& record);

class ReferenceTexts : public train::Observer {
 public:
  // log: takes a line at the steps 1, 1 + log_every, ... of an epoch, and three lines of each
  // search (the first pass's risk; the best pass; the environments' sizes). results: takes the
  // scores "test_..." of the class, a line an evaluation. Either may be empty.
  ReferenceTexts(LineSink log, LineSink results, int64_t log_every = 1)
      : log_(std::move(log)), results_(std::move(results)), log_every_(log_every) {}

  void step(const train::StepRecord& record) override;
  void maximize_pass(const train::MaximizePassRecord& record) override;
  void maximize(const train::MaximizeRecord& record) override;
  void evaluation(const train::EvaluationRecord& record) override;

 private:
  LineSink log_, results_;
  int64_t log_every_;
};

}  // namespace ipirm::observe

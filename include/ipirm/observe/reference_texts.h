// The reference's text files, in its words, so that scripts which read its logs read ours
// (METHOD 9; src/checkpoint/FORMAT.md).
#pragma once

#include "ipirm/observe/text_files.h"
#include "ipirm/train/observer.h"

namespace ipirm::observe {

// "Train Epoch: [3/400] [256/50000]  Loss: 5.1234  LR: 0.001000  PW 0.2000": Loss is the mean of
// the epoch so far.
std::string step_line(const train::StepRecord& record);

// "certainty 0.981  overlap 0.512  digit 0.0123 nats (0.5 %)  hue 0.6812 nats (29.6 %)": what a
// partition shares with each factor, and how much of the factor's entropy that is.
std::string to_text(const partition::Judgement& judgement);

class ReferenceTexts : public train::Observer {
 public:
  // log: takes a line of each step that is due, and three lines of each search (the first pass's
  // risk; the best pass; the environments' sizes) and one on the partition, which the reference
  // does not have. results: takes the scores "test_..." of the class, a line an evaluation. Either
  // may be empty.
  ReferenceTexts(LineSink log, LineSink results)
      : log_(std::move(log)), results_(std::move(results)) {}

  void step(const train::StepRecord& record) override;
  void maximize_pass(const train::MaximizePassRecord& record) override;
  void maximize(const train::MaximizeRecord& record) override;
  void evaluation(const train::EvaluationRecord& record) override;

 private:
  LineSink log_, results_;
};

}  // namespace ipirm::observe

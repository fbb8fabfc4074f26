// What a run says to people while it runs: lines of the log.
#pragma once

#include <cstdint>

#include "ipirm/train/observer.h"

namespace ipirm::observe {

struct ConsoleOptions {
  // Whether each pass of a maximization has its line.
  bool passes = false;
};

class Console : public train::Observer {
 public:
  explicit Console(const ConsoleOptions& options = {}) : options_(options) {}

  void step(const train::StepRecord& record) override;
  void epoch(const train::EpochRecord& record) override;
  void maximize_pass(const train::MaximizePassRecord& record) override;
  void maximize(const train::MaximizeRecord& record) override;
  void evaluation(const train::EvaluationRecord& record) override;
  void message(const std::string& text) override;

 private:
  ConsoleOptions options_;
};

// "risk -5.1234 (pass 12 of 56)  environments 714 + 723"; where nothing was searched for, the
// source's name in the place of the risk.
std::string maximize_summary(const train::MaximizeRecord& record);

}  // namespace ipirm::observe

// What a run says to people while it runs: lines of the log.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "ipirm/train/observer.h"

namespace ipirm::observe {

struct ConsoleOptions {
  // Whether each pass of a maximization has its line.
  bool passes = false;
  // Seconds between the epochs whose lines are shown, of which the first and the last always are;
  // 0: all are.
  double epoch_interval_s = 0;
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
  // Whether what is told of an epoch is shown: its lines are, or none is.
  bool shows(int64_t epoch, int64_t epochs);

  ConsoleOptions options_;
  // When an epoch was shown last; the newest that was told of, and whether it is shown.
  std::optional<std::chrono::steady_clock::time_point> shown_;
  int64_t epoch_ = -1;
  bool shows_epoch_ = false;
};

// On a terminal all; elsewhere, in a log file say, the lines of an epoch every 10 s.
ConsoleOptions console_options();

// "risk -5.1234 (pass 12 of 56)  environments 714 + 723"; where nothing was searched for, the
// source's name in the place of the risk.
std::string maximize_summary(const train::MaximizeRecord& record);

}  // namespace ipirm::observe

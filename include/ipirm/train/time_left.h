// How long a run still takes, from what its parts took so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipirm/train/options.h"
#include "ipirm/train/plan.h"
#include "ipirm/train/run_state.h"

namespace ipirm::train {

class TimeLeft {
 public:
  // searches, evaluations: whether such are made at their due times at all.
  TimeLeft(const TrainOptions& options, int64_t steps_per_epoch, bool searches, bool evaluations);

  // What was just done, and the wall time it took, seconds.
  void steps(int64_t count, double seconds);
  void search(double seconds) { search_.add(seconds); }
  void evaluation(double seconds) { evaluation_.add(seconds); }

  struct Estimate {
    double seconds = 0;
    // Searches or evaluations are due of which none has been made yet, so that it takes longer.
    bool at_least = false;
  };
  // From `position` to the run's end, or to max_steps; nothing before the first step.
  std::optional<Estimate> at(const Position& position) const;

 private:
  // A mean of durations.
  struct Mean {
    void add(double seconds) {
      sum += seconds;
      ++count;
    }
    double sum = 0;
    int64_t count = 0;
  };
  // Adds what is due `times` times.
  static void add(Estimate& estimate, const Mean& each, int64_t times);

  TrainOptions options_;
  Plan plan_;
  int64_t steps_per_epoch_;
  bool searches_, evaluations_;
  // Of a step: the newest count most, so that it follows a machine that is shared.
  double step_ = 0;
  Mean search_, evaluation_;
};

// "3h 20m", "over 3h 20m".
std::string to_text(const TimeLeft::Estimate& estimate);

}  // namespace ipirm::train

// Threads that share out numbered pieces of work.
#pragma once

#include <cstdint>
#include <functional>

namespace ipirm::metrics {

class Workers {
 public:
  // threads: at least 1, the caller's among them.
  explicit Workers(int threads);

  int threads() const { return threads_; }

  // A thread is started for so many simple steps of work: fewer take less time than its start.
  static constexpr int64_t kStepsOfThread = 200000;

  // Calls work(piece, worker) for each piece of 0..count-1, in any order, and returns when all are
  // done. worker: 0..threads()-1, for memory of its own; two pieces of one worker never overlap.
  // steps: what a piece takes, roughly. What a piece throws ends the work early and is thrown
  // again here.
  void each(int64_t count, const std::function<void(int64_t piece, int worker)>& work,
            int64_t steps = kStepsOfThread) const;

 private:
  int threads_;
};

}  // namespace ipirm::metrics

// Units of work taken one by one from a counter, by whoever is free, and what they threw.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>

namespace ipirm::ops {

class Units {
 public:
  using Run = std::function<void(int64_t)>;
  // run must outlive the last unit; it is not touched without a unit in hand.
  Units(int64_t units, const Run& run) : units_(units), run_(run) {}

  bool any_left() const { return next_.load(std::memory_order_relaxed) < units_; }
  // Runs units until none is left to take; how many it ran.
  int64_t work() {
    int64_t done = 0;
    for (int64_t unit = next_++; unit < units_; unit = next_++, ++done) {
      try {
        run_(unit);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (error_ == nullptr || unit < failed_) {
          error_ = std::current_exception();
          failed_ = unit;
        }
      }
    }
    return done;
  }
  // Throws what the lowest unit that threw has thrown. After the last unit.
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  const int64_t units_;
  const Run& run_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
  int64_t failed_ = 0;
};

}  // namespace ipirm::ops

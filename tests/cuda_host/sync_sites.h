// The places where kernels wait for each other, so that a test can take one out and see that the
// host run notices.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "cuda_host/place.h"

namespace cuda_host {

// Barriers of a block and waits for copies, by "file:line". Of the whole process.
class SyncSites {
 public:
  static SyncSites& of_process() {
    static SyncSites sites;
    return sites;
  }
  // From now on notes the places that are passed, and passes through `left_out` without waiting.
  void watch(const std::string& left_out = "") {
    const std::lock_guard lock(mutex_);
    left_out_ = left_out;
    seen_.clear();
    watching_ = true;
  }
  // Stops that; the places that were passed.
  std::set<std::string> stop() {
    const std::lock_guard lock(mutex_);
    watching_ = false;
    return seen_;
  }
  // Called by each thread at each place: whether it is left out.
  bool leaves_out(Place place) {
    if (!watching_.load(std::memory_order_relaxed)) return false;
    const std::lock_guard lock(mutex_);
    const auto text = place.text();
    seen_.insert(text);
    return text == left_out_;
  }

 private:
  std::atomic<bool> watching_{false};
  std::mutex mutex_;
  std::string left_out_;
  std::set<std::string> seen_;
};

}  // namespace cuda_host

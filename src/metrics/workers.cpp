// Threads that live as long as one call: some ten microseconds each, little beside a piece of work.
#include "ipirm/metrics/workers.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ipirm::metrics {

Workers::Workers(int threads) : threads_(std::max(threads, 1)) {}

void Workers::each(int64_t count, const std::function<void(int64_t piece, int worker)>& work,
                   int64_t steps) const {
  const int64_t worthwhile = std::min(count, 1 + count * steps / kStepsOfThread);
  std::atomic<int64_t> next = 0;
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](int worker) {
    try {
      for (int64_t piece = next++; piece < count; piece = next++) work(piece, worker);
    } catch (...) {
      next = count;
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int worker = 1; worker < std::min<int64_t>(threads_, worthwhile); ++worker)
      others.emplace_back(run, worker);
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ipirm::metrics

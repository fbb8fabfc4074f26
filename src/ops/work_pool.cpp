// The pool's threads: started when first needed, asleep while there is nothing to do.
#include "ops/work_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "ops/units.h"

namespace ipirm::ops {
namespace {

// How long a thread looks again and again before it sleeps, giving way each time: regions follow
// one another within this time, and to be woken takes as long.
constexpr std::chrono::microseconds kPatience{100};

// True once ready() is, false after kPatience without.
template <class Ready>
bool soon(const Ready& ready) {
  if (ready()) return true;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    sched_yield();
    if (ready()) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

class Job {
 public:
  Job(int64_t units, int64_t helpers, const Units::Run& run)
      : units_(units, run), left_(units), places_(helpers) {
    std::fegetenv(&environment_);
  }

  // Whether another thread may help. Called under the pool's lock.
  bool join() { return units_.any_left() && places_-- > 0; }

  void work() {
    const int64_t done = units_.work();
    if (done > 0 && left_.fetch_sub(done) == done) {
      all_done_ = 1;
      all_done_.notify_one();
    }
  }
  // The same on a helper: rounding and the treatment of tiny numbers are the caller's.
  void help() {
    std::fesetenv(&environment_);
    work();
  }
  // Returns when the units that others have in hand are done as well.
  void finish() {
    if (!soon([&] { return all_done_ != 0; })) all_done_.wait(0);
    units_.rethrow();
  }

 private:
  Units units_;
  std::fenv_t environment_;
  std::atomic<int64_t> left_;
  std::atomic<int> all_done_{0};
  int64_t places_;
};

// Lives to the end of the process: its threads never leave, and sleep when it ends.
class Pool {
 public:
  void run(const std::shared_ptr<Job>& job, int64_t helpers) {
    {
      const std::lock_guard lock(mutex_);
      grow(helpers);
      jobs_.push_back(job);
    }
    offers_.fetch_add(1, std::memory_order_release);
    offers_.notify_all();
    job->work();
    {
      const std::lock_guard lock(mutex_);
      std::erase(jobs_, job);
    }
    job->finish();
  }

 private:
  void grow(int64_t helpers) {
    while (threads_ < helpers) {
      // Signals are for the threads of the program.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      try {
        std::thread([this] { serve(); }).detach();
        ++threads_;
      } catch (const std::exception&) {  // the machine gives no more: those there are will do
        helpers = threads_;
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
  }

  [[noreturn]] void serve() {
    for (;;) {
      const int seen = offers_.load(std::memory_order_acquire);
      if (const auto job = take()) {
        job->help();
      } else if (!soon([&] { return offers_.load(std::memory_order_relaxed) != seen; })) {
        offers_.wait(seen);
      }
    }
  }

  std::shared_ptr<Job> take() {
    const std::lock_guard lock(mutex_);
    for (const auto& job : jobs_) {
      if (job->join()) return job;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<Job>> jobs_;
  int64_t threads_ = 0;
  std::atomic<int> offers_{0};
};

std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  // A forked child has none of its parent's threads: it starts its own, in a pool of its own.
  static const int registered = pthread_atfork(nullptr, nullptr, [] { the_pool = nullptr; });
  static_cast<void>(registered);
  Pool* found = the_pool;
  if (found == nullptr) {
    auto fresh = std::make_unique<Pool>();
    if (the_pool.compare_exchange_strong(found, fresh.get())) found = fresh.release();
  }
  return *found;
}

}  // namespace

void run_in_pool(int64_t units, int64_t threads, const std::function<void(int64_t)>& run) {
  pool().run(std::make_shared<Job>(units, threads - 1, run), threads - 1);
}

}  // namespace ipirm::ops

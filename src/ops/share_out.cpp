// Finds out whether threads get the processors, and chooses between OpenMP's and our own.
#include "ops/share_out.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "ops/units.h"
#include "ops/work_pool.h"

namespace ipirm::ops {
namespace {

// A thread that does not run for longer has been pushed aside; one that slept is back sooner.
constexpr int64_t kLateNs = 500'000;
// How long our own threads then work, before OpenMP's are tried again at the cost of a time slice.
constexpr int64_t kOwnNs = 250'000'000;

std::atomic<Threads> chosen{Threads::kByLoad};
std::atomic<int64_t> own_until_ns{0};

int64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

bool own_threads() {
  const auto threads = chosen.load(std::memory_order_relaxed);
  if (threads != Threads::kByLoad) return threads == Threads::kOwn;
  return now_ns() < own_until_ns.load(std::memory_order_relaxed);
}

void run_in_openmp(int64_t size, int threads, const Units::Run& run) {
  Units units(size, run);
  const int64_t begin = now_ns();
  std::atomic<bool> pushed_aside{false};
#pragma omp parallel num_threads(threads)
  {
    const int64_t wall = now_ns(), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    units.work();
    const int64_t away = now_ns() - wall - (now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
    if (wall - begin > kLateNs || away > kLateNs) pushed_aside = true;
  }
  if (pushed_aside) own_until_ns = now_ns() + kOwnNs;
  units.rethrow();
}

}  // namespace

void use_threads(Threads threads) { chosen = threads; }

void share_out(int64_t units, const std::function<void(int64_t)>& run) {
  const auto threads = static_cast<int>(std::min<int64_t>(at::get_num_threads(), units));
  if (threads < 2 || at::in_parallel_region()) {
    for (int64_t unit = 0; unit < units; ++unit) run(unit);
  } else if (own_threads()) {
    run_in_pool(units, threads, run);
  } else {
    run_in_openmp(units, threads, run);
  }
}

}  // namespace ipirm::ops

// Shares work out to threads so that one that is pushed aside by other load holds up nothing but
// the unit it has in hand.
//
// OpenMP alone does not do: its threads wait for one another at the end of every loop, and spin
// while they wait; beside a busy process on as many processors that costs a time slice a loop.
// Threads of our own that sleep do not do alone either: after work of PyTorch's, OpenMP's threads
// spin for many milliseconds, and ours would find the processors taken. So OpenMP's threads do the
// work while they get the processors, and ours for a while after one of them did not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace ipirm::ops {

// Calls run(unit) once for each unit in 0..units-1, on at most at::get_num_threads() threads with
// the caller's, and returns when all are done. Who runs a unit is open: it may read nothing that
// another writes. If units throw, what the lowest of them threw is thrown here.
void share_out(int64_t units, const std::function<void(int64_t)>& run);

// The same for run(begin, end) on the pieces of 0..size, each of `grain` or, at the end, fewer.
template <class Run>
void share_out_range(int64_t size, int64_t grain, const Run& run) {
  share_out((size + grain - 1) / grain,
            [&](int64_t unit) { run(unit * grain, std::min(size, (unit + 1) * grain)); });
}

// Whose threads: chosen by load, or always the same (for tests).
enum class Threads { kByLoad, kOpenMP, kOwn };
void use_threads(Threads threads);

}  // namespace ipirm::ops

// A vector clock for each stream.
#include "fake_device/streams.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace ipirm::fake_device {
namespace {

std::mutex mutex;
std::map<c10::StreamId, Clock> clocks;  // guarded by the mutex
thread_local c10::StreamId current = 0;

}  // namespace

c10::StreamId current_stream() { return current; }

c10::StreamId set_current_stream(c10::StreamId stream) { return std::exchange(current, stream); }

Moment work() {
  const std::lock_guard lock(mutex);
  return {current, ++clocks[current][current]};
}

bool comes_after(const Moment& earlier) {
  const std::lock_guard lock(mutex);
  return clocks[current][earlier.stream] >= earlier.time;
}

Clock record(c10::StreamId stream) {
  const std::lock_guard lock(mutex);
  return clocks[stream];
}

void wait_for(c10::StreamId stream, const Clock& event) {
  const std::lock_guard lock(mutex);
  for (const auto& [other, time] : event) {
    auto& known = clocks[stream][other];
    known = std::max(known, time);
  }
}

}  // namespace ipirm::fake_device

// The device's streams: everything is done at once, but what would have to wait for what is known.
#pragma once

#include <c10/core/Stream.h>

#include <cstdint>
#include <map>

namespace ipirm::fake_device {

// Work on a stream: its number there, from 1.
struct Moment {
  c10::StreamId stream = 0;
  int64_t time = 0;
};

// For each stream the last of its work that is certain to be done: what an event stands for.
using Clock = std::map<c10::StreamId, int64_t>;

// Of this thread.
c10::StreamId current_stream();
c10::StreamId set_current_stream(c10::StreamId stream);  // returns the one before
// Beside the default one, 0.
inline constexpr c10::StreamId kSideStream = 1;

// The current stream works once more.
Moment work();
// Whether all that the current stream does from now on comes after that work: it is its own, or an
// event was waited for.
bool comes_after(const Moment& earlier);

// All that is certain once a stream has done what it was given so far.
Clock record(c10::StreamId stream);
// Makes what a stream does from now on come after all that.
void wait_for(c10::StreamId stream, const Clock& event);

}  // namespace ipirm::fake_device

// A few threads of the library's own, asleep while there is nothing to do.
#pragma once

#include <cstdint>
#include <functional>

namespace ipirm::ops {

// Calls run(unit) once for each of 0..units-1 on the caller's thread and on up to threads - 1 of
// the pool's, and returns when all are done: it waits for units that others have in hand, never for
// a thread that has not come yet. Throws as Units::rethrow does. May be called from several threads
// at once and in a forked child.
void run_in_pool(int64_t units, int64_t threads, const std::function<void(int64_t)>& run);

}  // namespace ipirm::ops

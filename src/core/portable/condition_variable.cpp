// std::condition_variable::wait for programs that must run beside the libstdc++ of gcc 11
// (src/bin/portable.cmake). Of all that they use it alone has a newer version there: gcc 12
// declared it noexcept, and gave the same function the version GLIBCXX_3.4.30.
#include <pthread.h>

#include <condition_variable>
#include <mutex>

namespace std {

void condition_variable::wait(unique_lock<mutex>& lock) noexcept {
  pthread_cond_wait(native_handle(), lock.mutex()->native_handle());
}

}  // namespace std

// The signal handlers behind interrupted().
#include "ipirm/core/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace ipirm::core {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

void on_signal(int signal_number) {
  const int saved_errno = errno;
  if (g_interrupted.exchange(true)) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return;
  }
  constexpr char kLine[] = "\nstopping after this step; interrupt again to stop at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kLine, sizeof kLine - 1);
  errno = saved_errno;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);  // a terminal that went away
  signal(SIGPIPE, SIG_IGN);             // a reader of our output that went away must not end a run
}

bool interrupted() { return g_interrupted.load(std::memory_order_relaxed); }

}  // namespace ipirm::core

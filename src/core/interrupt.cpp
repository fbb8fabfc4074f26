// The signal handlers behind interrupted().
#include "ipirm/core/interrupt.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string_view>

namespace ipirm::core {
namespace {

// Two signals that come sooner after each other were sent for one reason.
constexpr int64_t kOneReasonMs = 500;

std::atomic<bool> g_interrupted{false};
std::atomic<int64_t> g_first_request_ms{0};  // when the first SIGINT or SIGTERM came; 0: none yet
std::atomic<int> g_num_writes{0};            // files that are being written
std::atomic<int> g_ending_signal{0};         // ends the process when they are done; 0: none
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
                  std::atomic<int64_t>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

int64_t now_ms() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000 + 1;  // never 0
}

// Ends the process by this signal, as if it had never been caught.
void end_by(int signal_number) {
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void say(std::string_view line) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
}

void on_signal(int signal_number) {
  const int saved_errno = errno;
  const bool again = g_interrupted.exchange(true);
  if (signal_number == SIGINT || signal_number == SIGTERM) {
    const int64_t now = now_ms();
    int64_t first = 0;
    if (g_first_request_ms.compare_exchange_strong(first, now)) {
      say("\nstopping after this step; interrupt again to stop at once\n");
    } else if (now - first >= kOneReasonMs) {
      g_ending_signal = signal_number;
      if (g_num_writes == 0) end_by(signal_number);
    }
  } else if (!again) {
    say("\nstopping after this step\n");
  }
  errno = saved_errno;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction before = {};
    sigaction(signal_number, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal_number, &action, nullptr);
  }
  signal(SIGPIPE, SIG_IGN);  // a reader of our output that went away must not end a run
  signal(SIGXFSZ, SIG_IGN);  // a file that reached its limit fails like a full disk
}

bool interrupted() { return g_interrupted.load(std::memory_order_relaxed); }

UninterruptedWrite::UninterruptedWrite() { ++g_num_writes; }

UninterruptedWrite::~UninterruptedWrite() {
  if (--g_num_writes > 0) return;
  if (const int signal_number = g_ending_signal) end_by(signal_number);
}

}  // namespace ipirm::core

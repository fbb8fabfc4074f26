// Signals as a question that loops ask, so that a program ends after the current step with
// everything saved.
#pragma once

namespace ipirm::core {

// From now on the first SIGINT, SIGTERM, SIGHUP (a terminal that was closed) or SIGUSR1 (what batch
// systems send before the time is up) only sets a flag and says so on stderr. A later SIGINT or
// SIGTERM ends the process at once, except that a file that is being written is finished first; it
// has to be the second of these two and to come at least half a second after the first one, since
// `timeout` and shells send the same signal twice. SIGHUP and SIGUSR1 never end it. A signal that
// was ignored when the program started (nohup, a shell's `&`) stays ignored. SIGPIPE and SIGXFSZ
// are ignored, so that the write that caused them fails with a reason instead.
void catch_interrupts();
// True once a signal has come.
bool interrupted();

// While one of these lives, no second signal ends the process: it does so at the end of the last
// one. For the writing of one file; on any thread.
class UninterruptedWrite {
 public:
  UninterruptedWrite();
  ~UninterruptedWrite();
  UninterruptedWrite(const UninterruptedWrite&) = delete;
  UninterruptedWrite& operator=(const UninterruptedWrite&) = delete;
};

}  // namespace ipirm::core

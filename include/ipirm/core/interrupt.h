// Ctrl-C and SIGTERM as a question that loops ask, so that they end after the current step with
// everything saved.
#pragma once

namespace ipirm::core {

// From now on the first SIGINT, SIGTERM or SIGHUP only sets a flag (and says so on stderr); a
// second one ends the process. SIGPIPE is ignored.
void catch_interrupts();
// True once a signal has come.
bool interrupted();

}  // namespace ipirm::core

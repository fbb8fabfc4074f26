// What every program's main shares: failures become one line on stderr and an exit code.
#pragma once

#include <functional>

namespace ipirm::app {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFault = 1;          // ours
inline constexpr int kExitUserError = 2;      // the user can mend it
inline constexpr int kExitInterrupted = 130;  // Ctrl-C or SIGTERM; the state is saved

// Runs `body` with Ctrl-C and SIGTERM caught and returns its exit code, or the code of what it
// threw.
int run_program(const std::function<int()>& body);

}  // namespace ipirm::app

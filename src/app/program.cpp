// Turns what a program throws into one line and an exit code.
#include "ipirm/app/program.h"

#include <c10/util/Exception.h>

#include <exception>
#include <string>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"

namespace ipirm::app {

int run_program(const std::function<int()>& body) {
  core::catch_interrupts();
  try {
    return body();
  } catch (const core::UserError& error) {
    core::log_error(error.what());
    return kExitUserError;
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    core::log_error(core::cat("internal error: ", what.substr(0, what.find('\n'))));
    core::log_debug(error.what());
  } catch (const std::exception& error) {
    core::log_error(error.what());
  }
  return kExitFault;
}

}  // namespace ipirm::app

// Turns what a program throws into one line and an exit code.
#include "ipirm/app/program.h"

#include <c10/util/Exception.h>

#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"

namespace ipirm::app {
namespace {

using core::cat;

// The line for memory that ran out; `where`: "the machine" or "the device".
std::string out_of_memory(const std::string& where, const std::string& details) {
  return cat(where, " has no memory left", details.empty() ? "" : " (" + details + ")",
             "; lower --batch_size, --maximize_batch or --workers, or free some memory; what was "
             "saved is kept, and --resume goes on from it");
}

// What LibTorch's allocator for the CPU and oneDNN say when memory runs out, in short; nothing for
// other failures. They have no exception type of their own.
std::optional<std::string> memory_failure(const std::string& what) {
  constexpr std::string_view kTried = "you tried to allocate ";
  if (const auto place = what.find(kTried); place != std::string::npos) {
    const auto number = what.substr(place + kTried.size());
    return cat("an allocation of ", number.substr(0, number.find(' ')), " bytes failed");
  }
  for (const char* words : {"could not create a primitive", "could not create a memory",
                            "Cannot allocate memory", "Insufficient memory"}) {
    if (what.find(words) != std::string::npos) return words;
  }
  return std::nullopt;
}

int user_error(const std::string& line) {
  core::log_error(line);
  return kExitUserError;
}

int fault(const std::string& line) {
  core::log_error(line);
  return kExitFault;
}

}  // namespace

int run_program(const std::function<int()>& body) {
  core::claim_standard_descriptors();
  core::catch_interrupts();
  try {
    return body();
  } catch (const core::UserError& error) {
    return user_error(error.what());
  } catch (const std::bad_alloc&) {
    return user_error(out_of_memory("the machine", ""));
  } catch (const std::filesystem::filesystem_error& error) {
    return user_error(core::first_line(error));
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again)
      return fault(core::first_line(error));
    return user_error(cat("a thread could not be started (", error.code().message(),
                          "); lower --workers or OMP_NUM_THREADS, or raise the limit (ulimit -u)"));
  } catch (const std::exception& error) {
    if (core::tells_of_device_memory(error))
      return user_error(out_of_memory("the device", core::first_line(error)));
    if (const auto details = memory_failure(core::first_line(error)))
      return user_error(out_of_memory("the machine", *details));
    core::log_debug(error.what());
    const bool internal = dynamic_cast<const c10::Error*>(&error) != nullptr;
    return fault(cat(internal ? "internal error: " : "", core::first_line(error)));
  }
}

}  // namespace ipirm::app

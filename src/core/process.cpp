// Checks by trying: descriptors are opened, threads are started. Memory as the kernel counts it.
#include "ipirm/core/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "ipirm/core/error.h"

namespace ipirm::core {

void claim_standard_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) == 0 || errno != EBADF) continue;
    // open() returns the lowest free number, which is this one.
    [[maybe_unused]] const int opened = ::open("/dev/null", descriptor == 0 ? O_RDONLY : O_WRONLY);
  }
}

void check_threads(int count) {
  std::mutex mutex;
  std::condition_variable all_started;
  bool done = false;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  std::string refused;
  try {
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        all_started.wait(lock, [&] { return done; });
      });
    }
  } catch (const std::system_error& error) {
    refused = error.code().message();
  } catch (const std::bad_alloc&) {
    refused = "no memory";
  }
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  all_started.notify_all();
  for (auto& thread : threads) thread.join();
  if (refused.empty()) return;
  throw UserError(
      cat("only ", threads.size(), " of the ", count, " threads that are needed could be started (",
          refused,
          "); lower --workers or OMP_NUM_THREADS, raise the limit (ulimit -u), or free some "
          "memory"));
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");  // pages: all, resident, ...
  int64_t all = 0, resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * int64_t{::sysconf(_SC_PAGESIZE)};
}

int64_t peak_resident_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %lld kB", &kilobytes) == 1) return kilobytes * 1024;
  }
  return 0;
}

void forget_peak_resident_bytes() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace ipirm::core

// One set of counts for the process.
#include "fake_device/counts.h"

#include <execinfo.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "fake_device/fake_device.h"

namespace ipirm::fake_device {
namespace {

std::mutex mutex;
Counts counts;  // guarded by the mutex
std::atomic<bool> stacks = false;
thread_local int depth = 0;  // of Working scopes

void print_stack(const std::string& what) {
  constexpr int kDepth = 40;
  void* frames[kDepth];
  const std::string line = "-- a wait: " + what + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
  backtrace_symbols_fd(frames, backtrace(frames, kDepth), STDERR_FILENO);
}

}  // namespace

int64_t Counts::sum(const std::map<std::string, int64_t>& counts) {
  int64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

std::string Counts::text(const std::map<std::string, int64_t>& counts) {
  std::string all;
  for (const auto& [name, count] : counts)
    all += (all.empty() ? "" : ", ") + name + " " + std::to_string(count);
  return all.empty() ? "none" : all;
}

Counts take_counts() {
  const std::lock_guard lock(mutex);
  return std::exchange(counts, {});
}

void print_stacks(bool on) { stacks = on; }

void count_wait(const std::string& what) {
  if (Working::on()) return;
  if (stacks) print_stack(what);
  const std::lock_guard lock(mutex);
  ++counts.waits[what];
}

void count_launch(const std::string& what) {
  if (Working::on()) return;
  const std::lock_guard lock(mutex);
  ++counts.launches[what];
}

Working::Working() { ++depth; }
Working::~Working() { --depth; }
bool Working::on() { return depth > 0; }

}  // namespace ipirm::fake_device

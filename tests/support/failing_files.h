// File systems for tests: one whose Nth call fails, one whose calls are interrupted and cut short.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>

#include "ipirm/core/file_system.h"

namespace ipirm::core {

// Counts the calls that write files and fails number `failing` (from 0) with `code`, and with
// for_good all after it. A failing write first writes half of what it was given, as a disk does
// that fills up. unlink, by which others clean up, neither counts nor fails.
// fsync does nothing else: no machine crashes here, and waiting for the disk would be most of a
// test's time.
class FailingFileSystem : public FileSystem {
 public:
  static constexpr int kNever = -1;
  FailingFileSystem(int failing, int code, bool for_good = false)
      : failing_(failing), code_(code), for_good_(for_good) {}

  int open(const char* path, int flags, mode_t mode) override {
    const int descriptor = fails("open") ? -1 : FileSystem::open(path, flags, mode);
    if (descriptor >= 0) ++num_open_;
    return descriptor;
  }
  ssize_t write(int descriptor, const void* data, size_t size) override {
    if (!fails("write")) return FileSystem::write(descriptor, data, size);
    FileSystem::write(descriptor, data, size / 2);
    errno = code_;
    return -1;
  }
  int fsync(int) override { return fails("fsync") ? -1 : 0; }
  int ftruncate(int descriptor, off_t size) override {
    return fails("ftruncate") ? -1 : FileSystem::ftruncate(descriptor, size);
  }
  int close(int descriptor) override {
    --num_open_;  // also where it fails: POSIX leaves nothing to be closed again
    const int result = FileSystem::close(descriptor);
    return fails("close") ? -1 : result;
  }
  int rename(const char* from, const char* to) override {
    return fails("rename") ? -1 : FileSystem::rename(from, to);
  }

  int num_calls() const { return num_calls_; }
  int num_open() const { return num_open_; }
  // The name of call number `failing`; "" if it did not come to that.
  std::string failed() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }
  // "open write*9 fsync"
  std::string calls() const {
    return calls_ + (repeated_ > 1 ? "*" + std::to_string(repeated_) : "");
  }

 private:
  bool fails(const char* name) {
    const std::lock_guard lock(mutex_);
    if (last_ == name) {
      ++repeated_;
    } else {
      calls_ = calls() + (calls_.empty() ? "" : " ") + name;
      last_ = name;
      repeated_ = 1;
    }
    const int call = num_calls_++;
    const bool failing = call == failing_ || (for_good_ && failing_ >= 0 && call > failing_);
    if (failing) errno = code_;
    if (call == failing_) failed_ = name;
    return failing;
  }

  const int failing_, code_;
  const bool for_good_;
  mutable std::mutex mutex_;
  std::atomic<int> num_calls_ = 0, num_open_ = 0;
  std::string calls_, last_, failed_;
  int repeated_ = 0;
};

// Every other call is interrupted by a signal, and a write takes 100 bytes at most.
class StubbornFileSystem : public FileSystem {
 public:
  ssize_t write(int descriptor, const void* data, size_t size) override {
    return interrupted() ? -1 : FileSystem::write(descriptor, data, std::min<size_t>(size, 100));
  }
  int fsync(int descriptor) override { return interrupted() ? -1 : FileSystem::fsync(descriptor); }

 private:
  bool interrupted() {
    odd_ = !odd_;
    errno = EINTR;
    return odd_;
  }
  bool odd_ = false;
};

}  // namespace ipirm::core

// The system calls that files are written with, replaceable so that a test can fail any of them.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace ipirm::core {

// Each call does what POSIX says of the function of its name and fails the same way: a result of
// -1, and the reason in errno.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual ssize_t write(int descriptor, const void* data, size_t size);
  virtual int fsync(int descriptor);
  virtual int ftruncate(int descriptor, off_t size);
  virtual int close(int descriptor);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
  virtual int flock(int descriptor, int operation);
};

// What write_atomically() and LineFile write with, on every thread: the system's own calls, unless
// replaced.
FileSystem& file_system();

// Puts `replacement` in the place of what file_system() is now, as long as it lives; for tests.
class ReplacedFileSystem {
 public:
  explicit ReplacedFileSystem(FileSystem& replacement);
  ~ReplacedFileSystem();
  ReplacedFileSystem(const ReplacedFileSystem&) = delete;
  ReplacedFileSystem& operator=(const ReplacedFileSystem&) = delete;

 private:
  FileSystem* before_;
};

}  // namespace ipirm::core

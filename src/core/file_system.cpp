// The system's own file calls, and the place where a test's stand.
#include "ipirm/core/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace ipirm::core {
namespace {

FileSystem g_system;
std::atomic<FileSystem*> g_current = &g_system;

}  // namespace

int FileSystem::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }

ssize_t FileSystem::write(int descriptor, const void* data, size_t size) {
  return ::write(descriptor, data, size);
}

int FileSystem::fsync(int descriptor) { return ::fsync(descriptor); }

int FileSystem::ftruncate(int descriptor, off_t size) { return ::ftruncate(descriptor, size); }

int FileSystem::close(int descriptor) { return ::close(descriptor); }

int FileSystem::rename(const char* from, const char* to) { return ::rename(from, to); }

int FileSystem::unlink(const char* path) { return ::unlink(path); }

int FileSystem::flock(int descriptor, int operation) { return ::flock(descriptor, operation); }

FileSystem& file_system() { return *g_current.load(std::memory_order_acquire); }

ReplacedFileSystem::ReplacedFileSystem(FileSystem& replacement)
    : before_(g_current.exchange(&replacement, std::memory_order_acq_rel)) {}

ReplacedFileSystem::~ReplacedFileSystem() { g_current.store(before_, std::memory_order_release); }

}  // namespace ipirm::core

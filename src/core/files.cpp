// File helpers over POSIX calls, whose every result is checked.
#include "ipirm/core/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ipirm/core/error.h"
#include "ipirm/core/file_system.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"

namespace ipirm::core {
namespace fs = std::filesystem;
namespace {

enum class Access { kRead, kWrite };

// Reports errno.
[[noreturn]] void fail(const fs::path& path, const char* action, Access access) {
  const int code = errno;
  const char* advice = "";
  if (code == ENOSPC || code == EDQUOT) advice = "; free some space and run again";
  if (code == EFBIG) advice = "; raise the limit on a file's size (ulimit -f) and run again";
  if (code == EMFILE || code == ENFILE)
    advice = "; raise the limit on open files (ulimit -n) and run again";
  if (code == ENOMEM) advice = "; free some memory and run again";
  if (code == EACCES || code == EPERM || code == EROFS) advice = "; choose a place you may use";
  if (code == ENOENT) advice = "; check the path";
  const auto what = cat(path.string(), ": cannot ", action, ": ", std::strerror(code), advice);
  if (access == Access::kWrite) throw WriteError(what);
  throw UserError(what);
}

// A descriptor that closes itself on every way out.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const char* action, Access access)
      : fd_(file_system().open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(path, action, access);
  }
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() { return fd_ < 0 ? 0 : file_system().close(std::exchange(fd_, -1)); }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct stat regular_file_status(int fd, const fs::path& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail(path, "read", Access::kRead);
  if (!S_ISREG(status.st_mode))
    throw UserError(cat(path.string(), ": is no regular file; check the path"));
  return status;
}

void write_all(int fd, const fs::path& path, const void* data, size_t size) {
  auto bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = file_system().write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;  // no progress and no reason: do not try for ever
    if (written <= 0) fail(path, "write", Access::kWrite);
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

// fsync; a file system that has none (EINVAL) keeps what it keeps.
void flush_to_disk(int fd, const fs::path& path, const char* action) {
  int result = -1;
  do {
    result = file_system().fsync(fd);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EINVAL) fail(path, action, Access::kWrite);
}

// Gathers small pieces (a torch file has thousands), so that few calls go to the system.
class DescriptorWriter : public FileWriter {
 public:
  DescriptorWriter(int fd, const fs::path& path) : fd_(fd), path_(path) {}
  void write(const void* data, size_t size) override {
    if (gathered_.size() + size > kCapacity) pass_on();
    if (size > kCapacity) {
      write_all(fd_, path_, data, size);
    } else {
      gathered_.append(static_cast<const char*>(data), size);
    }
  }
  // Hands the rest to the system.
  void pass_on() {
    write_all(fd_, path_, gathered_.data(), gathered_.size());
    gathered_.clear();
  }

 private:
  static constexpr size_t kCapacity = size_t{1} << 20;  // bytes
  int fd_;
  const fs::path& path_;
  std::string gathered_;
};

}  // namespace

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  Descriptor file(path, O_RDONLY, "open", Access::kRead);
  const auto size = static_cast<uint64_t>(regular_file_status(file.get(), path).st_size);
  if (size > max_bytes) {
    throw UserError(cat(path.string(), ": holds ", size, " bytes, more than the ", max_bytes,
                        " such a file may have"));
  }
  std::string content(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file.get(), content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "read", Access::kRead);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  content.resize(done);
  return content;
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  Descriptor file(path, O_RDONLY, "open", Access::kRead);
  size_ = static_cast<size_t>(regular_file_status(file.get(), path).st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) fail(path, "map", Access::kRead);
  data_ = static_cast<const uint8_t*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void write_atomically(const fs::path& path, const std::function<void(FileWriter&)>& fill) {
  const UninterruptedWrite uninterrupted;
  fs::path temporary = path;
  temporary += ".tmp";
  Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, "write", Access::kWrite);
  try {
    // Opened first, so that what cannot be opened leaves the old content in place.
    Descriptor folder(path.has_parent_path() ? path.parent_path() : fs::path("."),
                      O_RDONLY | O_DIRECTORY, "open", Access::kWrite);
    DescriptorWriter writer(file.get(), path);
    fill(writer);
    writer.pass_on();
    flush_to_disk(file.get(), path, "write");
    if (file.close() != 0) fail(path, "write", Access::kWrite);
    if (file_system().rename(temporary.c_str(), path.c_str()) != 0)
      fail(path, "write", Access::kWrite);
    // The new content stands, but until this a crash of the machine may bring back the old one.
    flush_to_disk(folder.get(), path, "flush the folder of this file, which is written");
  } catch (...) {
    file_system().unlink(temporary.c_str());  // gone already if it was renamed
    throw;
  }
}

void write_atomically(const fs::path& path, std::string_view content) {
  write_atomically(path, [&](FileWriter& writer) { writer.write(content.data(), content.size()); });
}

void rename_durably(const fs::path& from, const fs::path& to) {
  const UninterruptedWrite uninterrupted;
  Descriptor folder(to.has_parent_path() ? to.parent_path() : fs::path("."), O_RDONLY | O_DIRECTORY,
                    "open", Access::kWrite);
  if (file_system().rename(from.c_str(), to.c_str()) != 0) fail(to, "write", Access::kWrite);
  flush_to_disk(folder.get(), to, "flush the folder of this file, which is written");
}

LineFile::LineFile(const fs::path& path, bool keep) : path_(path) {
  Descriptor file(path, O_WRONLY | O_CREAT | (keep ? 0 : O_TRUNC), "write", Access::kWrite);
  size_ = static_cast<uint64_t>(regular_file_status(file.get(), path).st_size);
  descriptor_ = file.release();
  if (::lseek(descriptor_, 0, SEEK_END) < 0) fail(path, "write", Access::kWrite);
}

void LineFile::flush() { flush_to_disk(descriptor_, path_, "write"); }

LineFile::~LineFile() { file_system().close(descriptor_); }

void LineFile::line(std::string_view text) { append(std::string(text) + '\n'); }

void LineFile::append(std::string_view bytes) {
  const UninterruptedWrite uninterrupted;
  write_all(descriptor_, path_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void LineFile::truncate_to(uint64_t size) {
  if (size > size_) {
    log_warning(cat(
        path_.string(), ": holds ", size_, " bytes, but ", size,
        " when the state was saved; it was changed from outside, and its last lines are missing"));
    return;
  }
  if (file_system().ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
    fail(path_, "write", Access::kWrite);
  if (::lseek(descriptor_, 0, SEEK_END) < 0) fail(path_, "write", Access::kWrite);
  size_ = size;
}

const fs::path& make_writable_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    throw UserError(cat(path.string(), ": cannot make this folder: ", error.message(),
                        "; choose a place you may write to"));
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0)
    fail(path, "write into this folder", Access::kWrite);
  return path;
}

FolderLock::FolderLock(const fs::path& folder) {
  Descriptor file(folder / ".lock", O_RDWR | O_CREAT, "lock", Access::kWrite);
  if (file_system().flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (code == EWOULDBLOCK) {
      throw UserError(
          cat(folder.string(),
              ": another run is using this folder; wait for it to end, or choose another --name"));
    }
    // Network file systems (Lustre, some NFS) may have no locks. A run needs none: the lock only
    // keeps two runs from being started in one folder by mistake.
    log_warning(cat(folder.string(), ": this file system cannot lock a folder (",
                    std::strerror(code), "); make sure that no other run uses it"));
  }
  descriptor_ = file.release();
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace ipirm::core

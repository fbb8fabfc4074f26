// Small file helpers: whole reads with a size limit, mapped reads, atomic writes, appended lines, a
// folder lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace ipirm::core {

// The whole file. Throws UserError if it cannot be read or holds more than max_bytes.
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes);

// A file mapped read-only: opening costs no copy, pages come from disk when touched. Movable, not
// copyable.
class MappedFile {
 public:
  // Throws UserError if the file is missing, no regular file, or unreadable.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// A sink for the bytes of one file; write() throws WriteError with the path and the reason (a full
// disk, say).
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual void write(const void* data, size_t size) = 0;
};

// Writes a file so that at any moment either the old or the whole new content stands at `path`:
// `fill` writes to path.tmp beside it, which is flushed (fsync) and renamed; the folder is flushed
// too. On failure the old content stays, path.tmp is removed and WriteError is thrown. Makes no
// folders.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(FileWriter&)>& fill);
void write_atomically(const std::filesystem::path& path, std::string_view content);

// Renames a file inside its folder, replacing what is there, and flushes the folder. Throws
// WriteError.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Lines, or other pieces, appended to a file, each handed to the system at once. Throws WriteError
// as soon as one cannot be written.
class LineFile {
 public:
  // keep: start after what the file holds; otherwise empty it.
  LineFile(const std::filesystem::path& path, bool keep);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  void line(std::string_view text);
  void append(std::string_view bytes);
  // Bytes in the file after the last piece. truncate_to() brings a resumed run's file back to where
  // its state was saved; a file that is shorter stays as it is and a warning is logged.
  uint64_t size() const { return size_; }
  void truncate_to(uint64_t size);
  // Makes sure that what was written survives a crash of the machine (fsync).
  void flush();

 private:
  std::filesystem::path path_;
  int descriptor_;
  uint64_t size_ = 0;
};

// Makes the folder and its parents, and returns `path`. Throws UserError naming the part that could
// not be made or written to.
const std::filesystem::path& make_writable_folder(const std::filesystem::path& path);

// Exclusive use of a folder, by a lock on folder/.lock held until destruction or the end of the
// process. Throws UserError when another process holds it. Where the file system has no locks, a
// warning is logged and nothing is held.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace ipirm::core

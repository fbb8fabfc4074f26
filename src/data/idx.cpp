// Reads an IDX header and its values from the file's bytes, or from what they inflate to.
#include "data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "data/damaged.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr uint8_t kUnsignedBytes = 8;     // IDX's number for the type of the values
constexpr int64_t kMostInflation = 1032;  // bytes that deflate can put into one

// The bytes of a file one after the other, whatever form they are stored in.
class Source {
 public:
  virtual ~Source() = default;
  // Up to `size` bytes; fewer only at the end.
  virtual size_t read(uint8_t* to, size_t size) = 0;
  // The most bytes that may still come.
  virtual int64_t most_left() const = 0;
};

class PlainSource : public Source {
 public:
  explicit PlainSource(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  size_t read(uint8_t* to, size_t size) override {
    const size_t count = std::min(size, bytes_.size());
    if (count > 0) std::memcpy(to, bytes_.data(), count);
    bytes_ = bytes_.subspan(count);
    return count;
  }
  int64_t most_left() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::span<const uint8_t> bytes_;
};

// One gzip stream that fills the file.
class GzipSource : public Source {
 public:
  GzipSource(std::string file, std::span<const uint8_t> bytes)
      : file_(std::move(file)), bytes_(bytes) {
    constexpr int kLargestWindow = 15, kGzip = 16;
    if (::inflateInit2(&stream_, kLargestWindow + kGzip) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  size_t read(uint8_t* to, size_t size) override {
    size_t count = 0;
    while (count < size && !ended_) {
      const size_t before = used_;
      const size_t got = inflate_some(to + count, size - count);
      if (got == 0 && used_ == before && !ended_) {
        throw UserError(cat(file_, ": the gzip stream ends at byte ", used_,
                            ", expected its end mark and checksum", kDamaged));
      }
      count += got;
    }
    return count;
  }

  int64_t most_left() const override {
    const auto left = static_cast<int64_t>(bytes_.size() - used_);
    // Beside what is left of the file there may be up to a window of bytes that were not asked for.
    return left * kMostInflation + (int64_t{1} << MAX_WBITS);
  }

 private:
  // One call of inflate(), whose counts are 32 bits wide.
  size_t inflate_some(uint8_t* to, size_t size) {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    const auto in = static_cast<uInt>(std::min(kMost, bytes_.size() - used_));
    const auto out = static_cast<uInt>(std::min(kMost, size));
    stream_.next_in = const_cast<Bytef*>(bytes_.data() + used_);  // zlib's type; it only reads
    stream_.avail_in = in;
    stream_.next_out = to;
    stream_.avail_out = out;
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    used_ += in - stream_.avail_in;
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END) {
      throw UserError(cat(file_, ": the gzip stream is damaged before byte ", used_, " (",
                          stream_.msg != nullptr ? stream_.msg : "no reason given",
                          "), expected one that inflates", kDamaged));
    }
    if (code == Z_STREAM_END) {
      ended_ = true;
      if (used_ != bytes_.size()) {
        throw UserError(cat(file_, ": the gzip stream ends at byte ", used_, " and ",
                            bytes_.size() - used_, " bytes follow, expected nothing", kDamaged));
      }
    }
    return out - stream_.avail_out;
  }

  std::string file_;
  std::span<const uint8_t> bytes_;
  size_t used_ = 0;  // of bytes_
  bool ended_ = false;
  z_stream stream_ = {};
};

std::string product_of(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

class IdxReader {
 public:
  IdxReader(std::string file, Source& source) : file_(std::move(file)), source_(source) {}

  IdxArray read(int rank) {
    read_type(rank);
    IdxArray array;
    int64_t count = 1;
    for (int d = 0; d < rank; ++d) {
      const int64_t size = read_size();
      if (size == 0) {
        fail(at_ - 4, cat("dimension ", d, " of ", rank, " has size 0, expected at least 1"));
      }
      array.sizes.push_back(size);
      // Compared before it is used: no product leaves 64 bits.
      const int64_t most = source_.most_left() + 4 * int64_t{rank};
      if (count > most / size) missing(array.sizes, rank, most);
      count *= size;
    }
    array.values.resize(static_cast<size_t>(count));
    const size_t got = source_.read(array.values.data(), array.values.size());
    if (got < array.values.size()) missing(array.sizes, rank, static_cast<int64_t>(got));
    uint8_t further = 0;
    if (source_.read(&further, 1) != 0) {
      fail(at_ + count, cat("found more than the ", product_of(array.sizes),
                            " values that the sizes say, expected the end of the file"));
    }
    return array;
  }

 private:
  [[noreturn]] void fail(int64_t place, const std::string& problem) const {
    throw UserError(cat(file_, ": at byte ", place, ": ", problem, kDamaged));
  }

  [[noreturn]] void missing(const std::vector<int64_t>& sizes, int rank, int64_t most) const {
    fail(idx_header_bytes(rank), cat("found at most ", most,
                                     " values, expected the product of the "
                                     "sizes ",
                                     product_of(sizes)));
  }

  std::array<uint8_t, 4> read_four() {
    std::array<uint8_t, 4> bytes = {};
    if (source_.read(bytes.data(), bytes.size()) < bytes.size())
      fail(at_, "the header is cut off, expected four more bytes");
    at_ += 4;
    return bytes;
  }

  void read_type(int rank) {
    const auto found = read_four();
    const std::array<uint8_t, 4> expected = {0, 0, kUnsignedBytes, static_cast<uint8_t>(rank)};
    if (found == expected) return;
    const auto text = [](const std::array<uint8_t, 4>& b) {
      return cat(int{b[0]}, " ", int{b[1]}, " ", int{b[2]}, " ", int{b[3]});
    };
    fail(0, cat("found the bytes ", text(found), ", expected ", text(expected),
                " (two zeros, the type of unsigned bytes, ", rank,
                rank == 1 ? " dimension)" : " dimensions)"));
  }

  int64_t read_size() {
    int64_t size = 0;
    for (const uint8_t byte : read_four()) size = size << 8 | byte;
    return size;
  }

  std::string file_;
  Source& source_;
  int64_t at_ = 0;  // bytes of the header that were read
};

}  // namespace

IdxArray read_idx(const fs::path& path, int rank) {
  const core::MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.empty()) throw UserError(cat(path.string(), ": is empty, expected an array", kDamaged));
  std::unique_ptr<Source> source;
  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
    source = std::make_unique<GzipSource>(path.string(), bytes);
  } else {
    source = std::make_unique<PlainSource>(bytes);
  }
  return IdxReader(path.string(), *source).read(rank);
}

}  // namespace ipirm::data

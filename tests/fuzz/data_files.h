// Data sets for fuzzing: a folder of files whose sizes and label bytes the input chooses, and what
// must hold of a set that opens.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/target.h"
#include "ipirm/data/image_set.h"

namespace ipirm::fuzz {

// The input, taken byte by byte; zeros after its end.
class Bytes {
 public:
  explicit Bytes(Input input) : input_(input) {}
  uint8_t next() { return at_ < input_.size() ? input_[at_++] : 0; }
  // Bytes up to the next zero or the input's end.
  std::string word() {
    std::string text;
    while (at_ < input_.size() && input_[at_] != 0) text += static_cast<char>(input_[at_++]);
    ++at_;
    return text;
  }
  bool empty() const { return at_ >= input_.size(); }

 private:
  Input input_;
  size_t at_ = 0;
};

// A folder of this process, in memory where there is such a place; removed at its end.
class ScratchFolder {
 public:
  ScratchFolder() {
    namespace fs = std::filesystem;
    std::error_code none;
    const fs::path base =
        ::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path(none);
    std::string pattern = (base / "ipirm_fuzz_XXXXXX").string();
    require(::mkdtemp(pattern.data()) != nullptr, "no folder can be made");
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Writes a file of up to 7 records, perhaps with a part of a further one behind them, whose first
// label_bytes bytes come from the input; now and then none. Pixels are zeros, and holes on disk.
inline void write_records(const std::filesystem::path& path, off_t record, int label_bytes,
                          Bytes& in) {
  const uint8_t shape = in.next();
  if (shape == 0xff) {
    ::unlink(path.c_str());
    return;
  }
  const off_t count = shape & 7, tail = (shape & 8) != 0 ? off_t{in.next()} % record : 0;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  bool good = file >= 0 && ::ftruncate(file, count * record + tail) == 0;
  for (off_t i = 0; good && i < count; ++i) {
    for (int b = 0; good && b < label_bytes; ++b) {
      const uint8_t label = in.next();
      good = ::pwrite(file, &label, 1, i * record + b) == 1;
    }
  }
  require(good, "a file of records cannot be written");
  ::close(file);
}

// Labels are in range and of the set's size, and the ends of every image can be read.
inline void check_set(const data::ImageSet& set, int64_t most_images) {
  require(set.size() >= 1 && set.size() <= most_images, "a set of a wrong size");
  for (const auto& factor : set.factors()) {
    require(static_cast<int64_t>(factor.values.size()) == set.size(), "a label missing");
    for (const int64_t value : factor.values)
      require(value >= -1 && value < factor.num_values, "a label out of range");
  }
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < set.size(); ++i) {
    const data::Image image = set.image(i, scratch);
    volatile uint8_t first = image.pixels[0];
    volatile uint8_t last =
        image.pixels[2 * image.channel_stride + (image.height - 1) * image.row_stride +
                     (image.width - 1) * image.column_stride];
    static_cast<void>(first);
    static_cast<void>(last);
  }
}

inline void check_sets(const data::DataSets& sets, int64_t most_images) {
  check_set(*sets.train, most_images);
  check_set(*sets.labelled, most_images);
  check_set(*sets.test, most_images);
}

}  // namespace ipirm::fuzz

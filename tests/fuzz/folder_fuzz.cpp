// Fuzz target: names of folders and files under train/ and test/ of an image folder.
#include <sys/stat.h>

#include "data/folder_set.h"
#include "fuzz/data_files.h"
#include "ipirm/core/log.h"

namespace ipirm::fuzz {
namespace {

namespace fs = std::filesystem;

// A name that the system takes, or "": no folder above is reached.
std::string usable(std::string name) {
  name = name.substr(0, 255);
  std::ranges::replace(name, '/', '_');
  return name == "." || name == ".." ? "" : name;
}

// What stands under one name: the kind's bits choose where, and what it is.
void make_entry(const fs::path& root, uint8_t kind, const std::string& class_name,
                const std::string& file_name) {
  const fs::path folder = root / ((kind & 1) != 0 ? "train" : "test") / class_name;
  ::mkdir(folder.c_str(), 0700);
  if (file_name.empty()) return;
  const fs::path path = folder / file_name;
  if ((kind & 6) == 6) {
    ::mkdir(path.c_str(), 0700);
  } else if ((kind & 8) != 0) {
    static_cast<void>(::symlink((kind & 16) != 0 ? "nowhere" : "..", path.c_str()));
  } else {
    static constexpr char kPng[] = "\x89PNG\r\n\x1A\n\0\0\0\r";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) return;
    const size_t size = (kind & 32) != 0 ? (kind >> 6) : 12;
    require(::write(file, kPng, size) == static_cast<ssize_t>(size), "cannot write a file");
    ::close(file);
  }
}

void check_labels(const data::ImageSet& set, size_t most) {
  const auto& factor = set.factors().at(0);
  require(set.size() >= 1 && static_cast<size_t>(set.size()) <= most, "a set of a wrong size");
  require(factor.values.size() == static_cast<size_t>(set.size()), "a label missing");
  for (const int64_t value : factor.values)
    require(value >= 0 && value < factor.num_values, "a label out of range");
}

// The input is a list of entries: a byte, the class's name, a zero, the file's name, a zero.
void folder(Input input) {
  static const ScratchFolder scratch;
  // Each opening would end with a line.
  static const bool silent = (core::set_log_level(core::LogLevel::kOff), true);
  static_cast<void>(silent);
  const fs::path root = scratch.path() / "set";
  fs::remove_all(root);
  for (const char* part : {"", "train", "test"}) fs::create_directory(root / part);
  Bytes in(input);
  size_t entries = 0;
  for (; !in.empty() && entries < 30; ++entries) {
    const uint8_t kind = in.next();
    const std::string class_name = usable(in.word()), file_name = usable(in.word());
    if (!class_name.empty()) make_entry(root, kind, class_name, file_name);
  }
  data::DataSets sets;
  if (!reads_or_refuses([&] { sets = data::open_folder(root, 96); })) return;
  check_labels(*sets.train, entries);
  if (sets.test) check_labels(*sets.test, entries);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(folder, ipirm::fuzz::folder)

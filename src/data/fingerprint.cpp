// Hashes an image set's names, labels and a sample of its bytes (FNV-1a, 64 bits).
#include "ipirm/data/fingerprint.h"

#include <ATen/ops/tensor.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kVersion = 1;  // of the numbers below
constexpr int64_t kNumbers = 7;
constexpr int64_t kSampledImages = 256;  // of a set of records
constexpr int kGrid = 16;                // sampled pixels of an image: kGrid x kGrid
constexpr int64_t kSampledFiles = 48;    // of a set of files
constexpr size_t kFileBytes = 64 << 10;  // of each
constexpr uint64_t kMaxTextBytes = 4096;
constexpr const char* kText =
    "ipirm data fingerprint %" PRId64 "\nimages %" PRId64 "\nheight %" PRId64 "\nwidth %" PRId64
    "\nnames %016" PRIx64 "\nlabels %016" PRIx64 "\ncontent %016" PRIx64 "\n";
constexpr const char* kScan =
    "ipirm data fingerprint %" SCNd64 " images %" SCNd64 " height %" SCNd64 " width %" SCNd64
    " names %" SCNx64 " labels %" SCNx64 " content %" SCNx64;

class Hash {
 public:
  void byte(uint8_t value) { value_ = (value_ ^ value) * 0x100000001B3u; }
  void number(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<uint8_t>(value >> shift));
  }
  // With its length, so that "ab", "c" is not "a", "bc".
  void text(std::string_view value) {
    number(value.size());
    for (const char c : value) byte(static_cast<uint8_t>(c));
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xCBF29CE484222325u;
};

// At most `count` of 0..size-1, evenly spread, both ends among them.
std::vector<int64_t> spread(int64_t size, int64_t count) {
  std::vector<int64_t> places;
  const int64_t number = std::min(size, count);
  for (int64_t k = 0; k < number; ++k)
    places.push_back(number == 1 ? 0 : k * (size - 1) / (number - 1));
  return places;
}

void add_file(Hash& hash, const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kFileBytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad() || !file.is_open())
    throw core::UserError(core::cat(path.string(), ": cannot be read; check its permissions"));
  bytes.resize(static_cast<size_t>(file.gcount()));
  hash.text(bytes);
}

void add_pixels(Hash& hash, const Image& image) {
  for (const int64_t y : spread(image.height, kGrid)) {
    for (const int64_t x : spread(image.width, kGrid)) {
      const uint8_t* pixel = image.pixels + y * image.row_stride + x * image.column_stride;
      for (int c = 0; c < 3; ++c) hash.byte(pixel[c * image.channel_stride]);
    }
  }
}

uint64_t hash_of_files(const ImageSet& set) {
  Hash hash;
  for (int64_t i = 0; i < set.size(); ++i) {
    std::error_code error;
    const auto size = fs::file_size(set.file(i), error);
    if (error) {
      throw core::UserError(core::cat(set.file(i).string(), ": cannot be read: ", error.message(),
                                      "; put it back, or remove it from the set"));
    }
    hash.number(size);
  }
  for (const int64_t i : spread(set.size(), kSampledFiles)) add_file(hash, set.file(i));
  return hash.value();
}

// Asks for the image's pages of a mapped file, and those alone: the first touch of one that is not
// in memory reads a long stretch behind it as well.
void will_need(const Image& image) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uint8_t* last = image.pixels + 2 * image.channel_stride +
                        (image.height - 1) * image.row_stride +
                        (image.width - 1) * image.column_stride;
  const auto begin = reinterpret_cast<uintptr_t>(image.pixels) / page * page;
  ::posix_madvise(reinterpret_cast<void*>(begin), reinterpret_cast<uintptr_t>(last) + 1 - begin,
                  POSIX_MADV_WILLNEED);  // only faster: a failure changes nothing
}

uint64_t hash_of_records(const ImageSet& set) {
  Hash hash;
  std::vector<uint8_t> scratch;
  const auto sample = spread(set.size(), kSampledImages);
  for (const int64_t i : sample) will_need(set.image(i, scratch));
  for (const int64_t i : sample) add_pixels(hash, set.image(i, scratch));
  return hash.value();
}

// The fingerprint's numbers under their version, in the order in which they are stored.
std::array<int64_t, kNumbers> numbers_of(const Fingerprint& f) {
  return {kVersion,
          f.images,
          f.height,
          f.width,
          static_cast<int64_t>(f.names),
          static_cast<int64_t>(f.labels),
          static_cast<int64_t>(f.content)};
}

}  // namespace

Fingerprint fingerprint_of(const ImageSet& set) {
  Fingerprint fingerprint;
  fingerprint.images = set.size();
  Hash names, labels;
  for (int64_t i = 0; i < set.size(); ++i) names.text(set.name(i));
  fingerprint.names = names.value();
  for (const Factor& factor : set.factors()) {
    labels.number(static_cast<uint64_t>(factor.num_values));
    for (const int64_t value : factor.values) labels.number(static_cast<uint64_t>(value));
  }
  fingerprint.labels = labels.value();
  if (set.size() == 0) return fingerprint;
  if (!set.file(0).empty()) {
    fingerprint.content = hash_of_files(set);
    return fingerprint;
  }
  std::vector<uint8_t> scratch;
  const Image first = set.image(0, scratch);
  fingerprint.height = first.height;
  fingerprint.width = first.width;
  fingerprint.content = hash_of_records(set);
  return fingerprint;
}

std::string difference(const Fingerprint& before, const Fingerprint& now) {
  if (before.images != now.images) {  // then all else differs as well
    return core::cat("the number of images (was ", before.images, ", now ", now.images, ")");
  }
  if (before.height != now.height || before.width != now.width) {
    return core::cat("the size of the images (was ", before.height, "x", before.width, ", now ",
                     now.height, "x", now.width, ")");
  }
  std::vector<std::string> parts;
  if (before.names != now.names) parts.push_back("the file names or their order");
  if (before.labels != now.labels) parts.push_back("the labels or their order");
  if (before.content != now.content) parts.push_back("the content of the images");
  std::string words;
  for (size_t i = 0; i < parts.size(); ++i)
    words += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return words;
}

torch::Tensor to_tensor(const Fingerprint& fingerprint) {
  return at::tensor(at::ArrayRef<int64_t>(numbers_of(fingerprint)), at::kLong);
}

Fingerprint fingerprint_from(const torch::Tensor& tensor, const fs::path& source) {
  if (tensor.scalar_type() != at::kLong || tensor.dim() != 1 || tensor.size(0) != kNumbers ||
      tensor[0].item<int64_t>() != kVersion) {
    throw core::UserError(core::cat(source.string(),
                                    ": the fingerprint of its data is of an unknown form; the file "
                                    "is damaged, or of a newer program"));
  }
  const auto numbers = tensor.contiguous();
  const int64_t* value = numbers.const_data_ptr<int64_t>();
  return {value[1],
          value[2],
          value[3],
          static_cast<uint64_t>(value[4]),
          static_cast<uint64_t>(value[5]),
          static_cast<uint64_t>(value[6])};
}

std::string to_text(const Fingerprint& f) {
  char text[400];
  std::snprintf(text, sizeof text, kText, kVersion, f.images, f.height, f.width, f.names, f.labels,
                f.content);
  return text;
}

Fingerprint read_fingerprint(const fs::path& path) {
  const std::string text = core::read_file(path, kMaxTextBytes);
  Fingerprint f;
  int64_t version = 0;
  const int found = std::sscanf(text.c_str(), kScan, &version, &f.images, &f.height, &f.width,
                                &f.names, &f.labels, &f.content);
  if (found == kNumbers && text == to_text(f)) return f;
  throw core::UserError(core::cat(path.string(),
                                  ": holds no fingerprint of data as this program writes it; the "
                                  "file is damaged, or of a newer program"));
}

}  // namespace ipirm::data

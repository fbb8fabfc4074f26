// Opens a folder of image files; decodes each when first asked for, into a cache without locks.
#include "data/folder_set.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "data/factors_csv.h"
#include "data/folder_listing.h"
#include "data/image_decode.h"
#include "data/image_structure.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

void check_first_bytes(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw UserError(cat(path, ": is no regular file; replace or remove it"));
  std::ifstream file(path, std::ios::binary);
  if (!file) throw UserError(cat(path, ": cannot be opened for reading; check its permissions"));
  std::array<char, kImageHeadBytes> head = {};
  file.read(head.data(), head.size());
  const auto got = static_cast<size_t>(file.gcount());
  if (got == 0) throw UserError(cat(path, ": is empty, expected an image; replace or remove it"));
  check_image_head(path, {head.data(), got});
}

// The file's path below the root, with '/' between folders.
std::string name_below(const fs::path& root, const std::string& file) {
  return fs::path(file).lexically_relative(root).generic_string();
}

class FolderSet : public ImageSet {
 public:
  FolderSet(fs::path root, FolderPart part, std::vector<Factor> more_factors, int side,
            int64_t cache_bytes)
      : root_(std::move(root)),
        files_(std::move(part.files)),
        factors_{{"label", static_cast<int>(part.classes.size()), std::move(part.labels)}},
        side_(side),
        cached_(files_.size()),
        cache_left_(cache_bytes) {
    if (part.classes.size() > 1) factors_[0].shown_names = std::move(part.classes);
    std::move(more_factors.begin(), more_factors.end(), std::back_inserter(factors_));
  }

  ~FolderSet() override {
    for (auto& pixels : cached_) delete pixels.load();
  }

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }

  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    auto& cached = cached_[static_cast<size_t>(i)];
    if (const Stored* stored = cached.load(std::memory_order_acquire)) return stored->image();
    const PixelSize decoded = decode_image_file(files_[static_cast<size_t>(i)], side_, scratch);
    if (const Stored* stored = keep(cached, decoded, scratch)) return stored->image();
    return interleaved(decoded, scratch.data());
  }

  const std::vector<Factor>& factors() const override { return factors_; }

  std::string name(int64_t i) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    return name_below(root_, files_[static_cast<size_t>(i)]);
  }

  bool differing_sizes() const override { return side_ == 0; }

  fs::path file(int64_t i) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    return files_[static_cast<size_t>(i)];
  }

 private:
  static Image interleaved(PixelSize size, const uint8_t* pixels) {
    return {pixels, size.height, size.width, 1, ptrdiff_t{3} * size.width, 3};
  }

  struct Stored {
    PixelSize size;
    std::vector<uint8_t> pixels;
    Image image() const { return interleaved(size, pixels.data()); }
  };

  bool take_room(int64_t bytes) const {
    int64_t left = cache_left_.load();
    while (left >= bytes) {
      if (cache_left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }

  // Copies the decoded image into its place in the cache; nothing where there is no room.
  const Stored* keep(std::atomic<Stored*>& place, PixelSize size,
                     const std::vector<uint8_t>& pixels) const {
    const auto bytes = static_cast<int64_t>(pixels.size());
    if (!take_room(bytes)) return nullptr;
    auto stored = std::make_unique<Stored>(Stored{size, pixels});
    Stored* other = nullptr;
    if (place.compare_exchange_strong(other, stored.get(), std::memory_order_acq_rel))
      return stored.release();
    cache_left_.fetch_add(bytes);  // another thread was first with the same image
    return other;
  }

  fs::path root_;
  std::vector<std::string> files_;
  std::vector<Factor> factors_;
  int side_;
  mutable std::vector<std::atomic<Stored*>> cached_;  // once set, a pointer stays until the end
  mutable std::atomic<int64_t> cache_left_;           // bytes
};

// The factors that a table adds to train and test; none without a table.
std::array<std::vector<Factor>, 2> more_factors(const fs::path& csv, const fs::path& root,
                                                const FolderListing& listing) {
  if (csv.empty()) return {};
  std::vector<PartNames> parts = {{"training", {}}};
  for (const auto& file : listing.train.files) parts[0].names.push_back(name_below(root, file));
  if (listing.test) {
    parts.push_back({"test", {}});
    for (const auto& file : listing.test->files) parts[1].names.push_back(name_below(root, file));
  }
  auto factors = read_factors_csv(csv, parts);
  factors.resize(2);
  return {std::move(factors[0]), std::move(factors[1])};
}

}  // namespace

DataSets open_folder(const fs::path& root, int side, int64_t cache_bytes, bool look_inside,
                     const fs::path& factors_csv) {
  FolderListing listing = list_folder(root);
  if (look_inside) {
    for (const auto& path : listing.train.files) check_first_bytes(path);
    for (const auto& path : listing.test ? listing.test->files : std::vector<std::string>())
      check_first_bytes(path);
  }
  prepare_image_decoder();
  listing.complete ? core::log_info(listing.summary) : core::log_warning(listing.summary);
  auto [of_train, of_test] = more_factors(factors_csv, root, listing);
  const auto train = std::make_shared<FolderSet>(root, std::move(listing.train),
                                                 std::move(of_train), side, cache_bytes);
  DataSets sets{train, train, nullptr};
  if (listing.test)
    sets.test = std::make_shared<FolderSet>(root, std::move(*listing.test), std::move(of_test),
                                            side, cache_bytes);
  return sets;
}

}  // namespace ipirm::data

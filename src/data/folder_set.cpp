// Lists a folder of image files; decodes each when first asked for, into a cache without locks.
#include "data/folder_set.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <fstream>
#include <iterator>
#include <span>
#include <utility>

#include "data/image_decode.h"
#include "data/image_structure.h"
#include "ipirm/core/error.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

struct Listing {
  std::vector<std::string> classes;
  std::vector<std::string> files;
  std::vector<int64_t> labels;  // one a file: position in classes
};

bool has_image_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array kExtensions = {".png", ".jpg", ".jpeg", ".bmp", ".webp"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

// Names in the folder that `keep` accepts, sorted by their bytes; none that begin with a dot.
template <class Keep>
std::vector<std::string> sorted_names(const fs::path& folder, Keep keep) {
  std::vector<std::string> names;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.front() != '.' && keep(entry)) names.push_back(name);
    }
  } catch (const fs::filesystem_error& error) {
    throw UserError(cat(folder.string(), ": this folder cannot be read: ", error.code().message(),
                        "; Folder is read from train/CLASS/* and test/CLASS/* under --data_root"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

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
  if (!image_format({reinterpret_cast<const uint8_t*>(head.data()), got})) {
    throw UserError(cat(path,
                        ": the bytes at its start are those of no PNG, JPEG, BMP or WebP image; "
                        "replace or remove it"));
  }
}

Listing list_part(const fs::path& part) {
  Listing listing;
  listing.classes =
      sorted_names(part, [](const fs::directory_entry& entry) { return entry.is_directory(); });
  if (listing.classes.empty()) {
    throw UserError(
        cat(part.string(), ": holds no class folder, expected one folder of images a class"));
  }
  for (size_t label = 0; label < listing.classes.size(); ++label) {
    const fs::path folder = part / listing.classes[label];
    const auto names = sorted_names(folder, [](const fs::directory_entry& entry) {
      return has_image_extension(entry.path()) && !entry.is_directory();
    });
    if (names.empty()) {
      throw UserError(
          cat(folder.string(),
              ": this class is empty, expected at least one png, jpg, jpeg, bmp or webp file; "
              "add images or remove the folder"));
    }
    for (const auto& name : names) {
      listing.files.push_back((folder / name).string());
      listing.labels.push_back(static_cast<int64_t>(label));
      check_first_bytes(listing.files.back());
    }
  }
  return listing;
}

void check_same_classes(const fs::path& root, const std::vector<std::string>& train,
                        const std::vector<std::string>& test) {
  const auto check = [&](const char* part, const auto& classes, const char* other_part,
                         const auto& other) {
    std::vector<std::string> extra;
    std::set_difference(classes.begin(), classes.end(), other.begin(), other.end(),
                        std::back_inserter(extra));
    if (extra.empty()) return;
    throw UserError(cat((root / other_part).string(), ": has no class folder '", extra[0],
                        "', but ", part, " has; both need the same classes"));
  };
  check("train", train, "test", test);
  check("test", test, "train", train);
}

class FolderSet : public ImageSet {
 public:
  FolderSet(fs::path root, Listing listing, int64_t cache_bytes)
      : root_(std::move(root)),
        files_(std::move(listing.files)),
        factors_{{"label", static_cast<int>(listing.classes.size()), std::move(listing.labels)}},
        cached_(files_.size()),
        cache_left_(cache_bytes / kDecodedBytes) {}

  ~FolderSet() override {
    for (auto& pixels : cached_) delete[] pixels.load();
  }

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }

  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    const uint8_t* pixels = cached_[static_cast<size_t>(i)].load(std::memory_order_acquire);
    if (pixels == nullptr) pixels = decode(static_cast<size_t>(i), scratch);
    return {pixels, kDecodedSide, kDecodedSide, 1, 3 * kDecodedSide, 3};
  }

  const std::vector<Factor>& factors() const override { return factors_; }

  std::string name(int64_t i) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    return fs::path(files_[static_cast<size_t>(i)]).lexically_relative(root_).generic_string();
  }

 private:
  // Into the cache where it has room, else into scratch.
  const uint8_t* decode(size_t i, std::vector<uint8_t>& scratch) const {
    scratch.resize(kDecodedBytes);
    decode_image_file(files_[i], scratch.data());
    if (cache_left_.fetch_sub(1) <= 0) {
      cache_left_.fetch_add(1);
      return scratch.data();
    }
    auto pixels = std::make_unique<uint8_t[]>(kDecodedBytes);
    std::copy(scratch.begin(), scratch.end(), pixels.get());
    uint8_t* other = nullptr;
    if (cached_[i].compare_exchange_strong(other, pixels.get(), std::memory_order_acq_rel))
      return pixels.release();
    cache_left_.fetch_add(1);  // another thread was first with the same image
    return other;
  }

  fs::path root_;
  std::vector<std::string> files_;
  std::vector<Factor> factors_;
  mutable std::vector<std::atomic<uint8_t*>> cached_;  // once set, a pointer stays until the end
  mutable std::atomic<int64_t> cache_left_;            // images
};

}  // namespace

DataSets open_folder(const fs::path& root, int64_t cache_bytes) {
  Listing train = list_part(root / "train"), test = list_part(root / "test");
  check_same_classes(root, train.classes, test.classes);
  prepare_image_decoder();
  const auto train_set = std::make_shared<FolderSet>(root, std::move(train), cache_bytes);
  return {train_set, train_set, std::make_shared<FolderSet>(root, std::move(test), cache_bytes)};
}

}  // namespace ipirm::data

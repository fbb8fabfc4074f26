// Walks the folders of a set and counts what it leaves out.
#include "data/folder_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <map>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr const char* kExpected =
    "Folder is read from train/CLASS/* and test/CLASS/* under --data_root, or from train/* "
    "without labels";
// The endings that is_image() takes.
constexpr const char* kEndings = "png, jpg, jpeg, bmp, webp, tif, tiff, gif, ppm or pgm";

// In lower case, with its dot.
std::string ending_of(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return ending;
}

bool is_image(const std::string& name) {
  constexpr std::array kImages = {".png", ".jpg",  ".jpeg", ".bmp", ".webp",
                                  ".tif", ".tiff", ".gif",  ".ppm", ".pgm"};
  return std::find(kImages.begin(), kImages.end(), ending_of(name)) != kImages.end();
}

// An ending as the summary may show it.
std::string kind_of(const std::string& name) {
  constexpr size_t kLongest = 12;
  const std::string ending = ending_of(name);
  if (ending.size() < 2) return "without an ending";
  const bool plain = ending.size() <= kLongest &&
                     std::all_of(ending.begin() + 1, ending.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0; });
  return plain ? ending : "with odd endings";
}

struct LeftOut {
  std::map<std::string, int64_t> kinds;  // files that are no images, by their ending
  int64_t beside = 0;                    // images beside the class folders
  int64_t hidden = 0;                    // names that begin with a dot
  int64_t links = 0;                     // links to a folder above
  std::vector<std::string> parts;        // what is not used, and why

  void add_file(const std::string& name) { ++kinds[kind_of(name)]; }
  // "3 .txt, 1 hidden"; empty where nothing is left out.
  std::string text() const;
  bool only_hidden() const { return kinds.empty() && beside + links == 0 && parts.empty(); }
};

std::string LeftOut::text() const {
  constexpr size_t kMostKinds = 8;
  std::vector<std::pair<std::string, int64_t>> sorted(kinds.begin(), kinds.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> pieces = parts;
  int64_t others = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i < kMostKinds) {
      pieces.push_back(cat(sorted[i].second, " ", sorted[i].first));
    } else {
      others += sorted[i].second;
    }
  }
  if (others > 0) pieces.push_back(cat(others, " of other kinds"));
  if (beside > 0) pieces.push_back(cat(beside, " image(s) beside the class folders"));
  if (hidden > 0) pieces.push_back(cat(hidden, " hidden"));
  if (links > 0) pieces.push_back(cat(links, " link(s) to a folder above"));
  std::string text;
  for (const auto& piece : pieces) text += (text.empty() ? "" : ", ") + piece;
  return text;
}

struct Names {
  std::vector<std::string> folders, files;  // sorted by their bytes
};

// What a folder holds, links followed, hidden names counted only.
Names names_in(const fs::path& folder, LeftOut& left_out) {
  Names names;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      if (name.front() == '.') {
        ++left_out.hidden;
        continue;
      }
      std::error_code error;  // a broken link is a file, whose name says whether it matters
      (entry.is_directory(error) ? names.folders : names.files).push_back(std::move(name));
    }
  } catch (const fs::filesystem_error& error) {
    throw UserError(cat(folder.string(), ": this folder cannot be read: ", error.code().message(),
                        "; ", kExpected));
  }
  std::sort(names.folders.begin(), names.folders.end());
  std::sort(names.files.begin(), names.files.end());
  return names;
}

// A folder's identity, whatever path leads there.
std::pair<dev_t, ino_t> identity(const fs::path& folder) {
  struct stat status = {};
  if (::stat(folder.c_str(), &status) != 0)
    throw UserError(cat(folder.string(), ": this folder cannot be read; check its permissions"));
  return {status.st_dev, status.st_ino};
}

// The images under one class folder.
class ClassWalk {
 public:
  ClassWalk(const fs::path& folder, LeftOut& left_out) : left_out_(left_out) {
    std::error_code error;
    for (fs::path above = fs::canonical(folder, error); above.has_relative_path();) {
      above = above.parent_path();
      above_.push_back(identity(above));
    }
    descend(folder);
    // As Python sorts the folders of os.walk: "a-b" before "a/b".
    std::sort(found_.begin(), found_.end());
  }

  std::vector<std::string> files() const {
    std::vector<std::string> paths;
    for (const auto& [folder, names] : found_) {
      for (const auto& name : names) paths.push_back(folder + '/' + name);
    }
    return paths;
  }

 private:
  void descend(const fs::path& folder) {
    const auto self = identity(folder);
    if (std::find(above_.begin(), above_.end(), self) != above_.end()) {
      ++left_out_.links;
      return;
    }
    above_.push_back(self);
    auto names = names_in(folder, left_out_);
    std::vector<std::string> images;
    for (auto& name : names.files) {
      is_image(name) ? images.push_back(std::move(name)) : left_out_.add_file(name);
    }
    if (!images.empty()) found_.emplace_back(folder.string(), std::move(images));
    for (const auto& name : names.folders) descend(folder / name);
    above_.pop_back();
  }

  LeftOut& left_out_;
  std::vector<std::pair<dev_t, ino_t>> above_;
  std::vector<std::pair<std::string, std::vector<std::string>>> found_;  // folder, names
};

FolderPart list_classes(const fs::path& part, Names names, LeftOut& left_out) {
  FolderPart listed{std::move(names.folders), {}, {}};
  for (const auto& name : names.files) {
    is_image(name) ? static_cast<void>(++left_out.beside) : left_out.add_file(name);
  }
  for (size_t label = 0; label < listed.classes.size(); ++label) {
    const fs::path folder = part / listed.classes[label];
    auto files = ClassWalk(folder, left_out).files();
    if (files.empty()) {
      throw UserError(cat(folder.string(), ": this class is empty, expected at least one ",
                          kEndings, " file; add images or remove the folder"));
    }
    listed.labels.insert(listed.labels.end(), files.size(), static_cast<int64_t>(label));
    std::move(files.begin(), files.end(), std::back_inserter(listed.files));
  }
  return listed;
}

FolderPart list_train(const fs::path& part, LeftOut& left_out) {
  Names names = names_in(part, left_out);
  if (!names.folders.empty()) return list_classes(part, std::move(names), left_out);
  FolderPart listed{{""}, {}, {}};
  for (const auto& name : names.files) {
    is_image(name) ? listed.files.push_back((part / name).string()) : left_out.add_file(name);
  }
  if (listed.files.empty()) {
    throw UserError(cat(part.string(), ": holds no class folder and no image; ", kExpected, ": ",
                        kEndings, " files"));
  }
  listed.labels.assign(listed.files.size(), 0);
  return listed;
}

void check_same_classes(const fs::path& root, const std::vector<std::string>& train,
                        const std::string& test_name, const std::vector<std::string>& test) {
  const auto check = [&](const std::string& part, const auto& classes,
                         const std::string& other_part, const auto& other) {
    std::vector<std::string> extra;
    std::set_difference(classes.begin(), classes.end(), other.begin(), other.end(),
                        std::back_inserter(extra));
    if (extra.empty()) return;
    throw UserError(cat((root / other_part).string(), ": has no class folder '", extra[0],
                        "', but ", part, " has; both need the same classes"));
  };
  check("train", train, test_name, test);
  check(test_name, test, "train", train);
}

// Fills listing.test from test/ or else val/; returns the part's name, "" where there is none.
std::string list_test(const fs::path& root, FolderListing& listing, LeftOut& left_out) {
  const bool labelled = listing.train.classes != std::vector<std::string>{""};
  for (const std::string part : {"test", "val"}) {
    std::error_code error;
    if (!fs::exists(root / part, error)) continue;
    if (listing.test || !labelled) {
      left_out.parts.push_back(
          cat(part, "/ (", labelled ? "since there is test/" : "train/ has no class folders", ")"));
      continue;
    }
    LeftOut own = left_out;
    Names names = names_in(root / part, own);
    if (names.folders.empty()) {
      left_out.parts.push_back(cat(part, "/ (it holds no class folders)"));
      continue;
    }
    listing.test = list_classes(root / part, std::move(names), own);
    left_out = own;
    check_same_classes(root, listing.train.classes, part, listing.test->classes);
    if (part == "val") return part;
  }
  return listing.test ? "test" : "";
}

}  // namespace

FolderListing list_folder(const fs::path& root) {
  FolderListing listing;
  LeftOut left_out;
  listing.train = list_train(root / "train", left_out);
  const std::string test = list_test(root, listing, left_out);
  const size_t classes = listing.train.classes.size();
  const bool labelled = !listing.train.classes.front().empty();
  listing.summary = cat(
      root.string(), ": ", listing.train.files.size(),
      listing.train.files.size() == 1 ? " image" : " images", " in train/",
      labelled ? cat(" of ", classes, classes == 1 ? " class" : " classes") : " without labels",
      listing.test ? cat(", ", listing.test->files.size(), " in ", test, "/") : ", no test images");
  const std::string missing = left_out.text();
  listing.summary += missing.empty() ? "; nothing is left out" : "; left out: " + missing;
  listing.complete = left_out.only_hidden();
  return listing;
}

}  // namespace ipirm::data

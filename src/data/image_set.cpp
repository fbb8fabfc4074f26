// Opens a data set by its name.
#include "ipirm/data/image_set.h"

#include <algorithm>
#include <cctype>

#include "data/binary_sets.h"
#include "data/colored_digits.h"
#include "data/folder_set.h"
#include "ipirm/core/error.h"

namespace ipirm::data {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Regardless of case: "stl" is meant as "STL", though every letter differs.
std::string nearest_data_set(const std::string& word) {
  std::vector<std::string> names;
  for (const auto& name : data_set_names()) names.push_back(lower(name));
  const auto found = std::find(names.begin(), names.end(), core::nearest_name(lower(word), names));
  return found == names.end() ? "" : data_set_names()[static_cast<size_t>(found - names.begin())];
}

[[noreturn]] void fail_unknown(const std::string& word) {
  std::string known;
  for (const auto& name : data_set_names()) known += (known.empty() ? "" : ", ") + name;
  const std::string nearest = nearest_data_set(word);
  throw core::UserError(core::cat("--dataset: '", word, "' is no known data set",
                                  nearest.empty() ? "" : "; did you mean '" + nearest + "'?",
                                  nearest.empty() ? "; choose one of " : " Known are ", known));
}

}  // namespace

const std::vector<std::string>& data_set_names() {
  static const std::vector<std::string> names = {"STL", "CIFAR10", "CIFAR100", "Folder",
                                                 "ColoredDigits"};
  return names;
}

int stored_side(const DataOptions& options) {
  if (options.dataset == "Folder") return options.image_size;
  if (options.dataset == "ColoredDigits") return kColoredSide;
  return options.dataset == "STL" ? kStlSide : kCifarSide;
}

DataSets open_data_sets(const DataOptions& options) {
  if (options.dataset == "STL") return open_stl(options.root);
  if (options.dataset == "CIFAR10") return open_cifar10(options.root);
  if (options.dataset == "CIFAR100") return open_cifar100(options.root);
  if (options.dataset == "Folder") {
    return open_folder(options.root, options.image_size, options.for_check ? 0 : kFolderCacheBytes,
                       /*look_inside=*/!options.for_check);
  }
  if (options.dataset == "ColoredDigits") return make_colored_digits();
  fail_unknown(options.dataset);
}

}  // namespace ipirm::data

// Finds the images of a folder set and says what is left out of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ipirm::data {

// The images of one part: train/CLASS/**, or train/* where it holds no folders.
struct FolderPart {
  std::vector<std::string> classes;  // one, "", where the images have no classes
  std::vector<std::string> files;    // paths
  std::vector<int64_t> labels;       // one a file: position in classes
};

struct FolderListing {
  FolderPart train;
  std::optional<FolderPart> test;  // of test/, or of val/ where test/ has no classes
  std::string summary;             // one line: what was found and what is left out
  bool complete = true;            // nothing but hidden names is left out
};

// Lists the images under `root` in the order of torchvision's ImageFolder: classes by name; within
// a class its folders by their whole path, within a folder the files by name, all by their bytes.
// Links are followed, except those to a folder above themselves. Names that begin with a dot are
// left out. Throws UserError for a folder that cannot be read, a train/ without images, a class
// without images, and classes that differ between the parts.
FolderListing list_folder(const std::filesystem::path& root);

}  // namespace ipirm::data

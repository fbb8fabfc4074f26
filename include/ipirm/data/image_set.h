// Image sets: indexed images with labels, and the parts of a data set that training and evaluation
// use (METHOD 1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ipirm/data/image.h"
#include "ipirm/data/options.h"

namespace ipirm::data {

// Something known about each image: its class, or a second factor such as the colour of a
// ColoredDigits image.
struct Factor {
  std::string name;             // "label" for the class; "digit" and "colour" for ColoredDigits
  int num_values = 0;           // values are 0..num_values-1
  std::vector<int64_t> values;  // one an image; -1 where unknown (the unlabeled part of STL)
  std::vector<std::string> value_names = {};  // what each value is called; empty: its number
  // What people call the values of a factor whose tables have numbers: the classes of a folder, of
  // STL-10, CIFAR-10 and Fashion-MNIST. Empty: as in tables.
  std::vector<std::string> shown_names = {};

  // What the value is called; its number where it has no name, -1 being unknown.
  std::string name_of(int64_t value) const { return in(value_names, value); }
  // The same for people.
  std::string shown_name_of(int64_t value) const {
    return in(shown_names.empty() ? value_names : shown_names, value);
  }

 private:
  static std::string in(const std::vector<std::string>& names, int64_t value) {
    const auto known = static_cast<size_t>(value);
    return value >= 0 && known < names.size() ? names[known] : std::to_string(value);
  }
};

// Immutable after construction: image() may be called from many threads.
class ImageSet {
 public:
  virtual ~ImageSet() = default;
  virtual int64_t size() const = 0;
  // Image i, 0 <= i < size(). `scratch` is memory the result may point into: one a thread, kept
  // alive and untouched while the image is used. Throws UserError for an image that cannot be read.
  virtual Image image(int64_t i, std::vector<uint8_t>& scratch) const = 0;
  // factors()[0] is the class. Every Factor's values has size() entries.
  virtual const std::vector<Factor>& factors() const = 0;
  // Where image i can be found again: its file's path below the data root with '/' between folders
  // (Folder), "" for sets whose images have a place in the set alone.
  virtual std::string name(int64_t i) const {
    (void)i;
    return "";
  }
  // True where images are stored whole, in sizes of their own: a view that is not cropped at random
  // is then resized and cut to the size of a crop.
  virtual bool differing_sizes() const { return false; }
  // The file that holds image i alone (Folder); empty where one file holds many, or none.
  virtual std::filesystem::path file(int64_t i) const {
    (void)i;
    return {};
  }
  int64_t label(int64_t i) const { return factors()[0].values[static_cast<size_t>(i)]; }
};

// The parts of one data set. `train` is what is trained on and partitioned (STL: train then
// unlabeled); `labelled` is the memory of the kNN and the training set of the linear evaluation;
// the same object as train where all is labelled. `test` is null where the data has no test split,
// or no labels: then the class has one value, 0, and a kNN or linear evaluation says nothing.
struct DataSets {
  std::shared_ptr<const ImageSet> train, labelled, test;

  // Null where the data have no such part.
  const std::shared_ptr<const ImageSet>& part(Part part) const {
    return part == Part::kTrain ? train : part == Part::kLabelled ? labelled : test;
  }
};

// Opens a data set: milliseconds for the binary formats, whose files are memory mapped. Throws
// UserError for a missing or truncated file, a label out of range, an empty class.
DataSets open_data_sets(const DataOptions& options);

// Side of the images that such a set stores, pixels; 0: sizes of their own.
int stored_side(const DataOptions& options);

}  // namespace ipirm::data

// What to read: which data set, and the folder that holds it.
#pragma once

#include <string>

#include "ipirm/core/names.h"

namespace ipirm::data {

// The data sets of METHOD 1.
enum class DataSetKind {
  kStl,
  kCifar10,
  kCifar100,
  kFolder,         // images of the user's own, a folder a class
  kColoredDigits,  // embedded in the program
  kMnist,          // grey images of digits, or of clothes
  kFashionMnist,
  kShapes,  // rendered
};

struct DataOptions {
  DataSetKind dataset = DataSetKind::kStl;
  // The folder that holds the set's files (METHOD 1); ColoredDigits and Shapes do not read it.
  std::string root = "data";
  // Folder alone: side of the stored middle square of an image, pixels; 0: images are stored whole,
  // in sizes of their own.
  int image_size = 96;
  // Folder alone: files are only listed, so that a damaged one is refused by image() and not here,
  // and nothing decoded is kept.
  bool for_check = false;
  // Folder alone: a table of further factors, with a row for every image; empty: none.
  std::string factors_csv = {};
  // MNIST and FashionMNIST alone, as the next three (METHOD 1.2): black pixels added on each side
  // of the 28x28 image, 0..18.
  int pad = 2;
  int colours = 0;                  // each image has one of so many, 2..100; 0: images stay grey
  int colour_noise = 0;             // largest value of the noise under the colours, 0..255
  bool colour_correlation = false;  // the correlated form, of two colours and three environments
  // Shapes alone (METHOD 1.3): images to train and to test on, of 480,000 in all.
  int64_t shapes_train = 60000, shapes_test = 10000;
};

// In which form views leave the loader.
enum class Pixels {
  kFloat,  // normalised float32
  kByte    // 8 bits, a quarter of the memory: for a device that normalises or augments by itself
};

// One of the parts of a data set (DataSets).
enum class Part { kTrain, kLabelled, kTest };

struct LoaderOptions {
  int workers = 2;             // threads that make views, >= 1
  bool pinned = false;         // page-locked buffers, for copies to a GPU beside computation
  bool channels_last = false;  // memory format of the views
  int prefetch = 3;            // batches made ahead, >= 1
  Pixels pixels = Pixels::kFloat;
};

}  // namespace ipirm::data

template <>
struct ipirm::core::NamesOf<ipirm::data::DataSetKind> {
  static constexpr Named<ipirm::data::DataSetKind> kNames[] = {
      {ipirm::data::DataSetKind::kStl, "STL"},
      {ipirm::data::DataSetKind::kCifar10, "CIFAR10"},
      {ipirm::data::DataSetKind::kCifar100, "CIFAR100"},
      {ipirm::data::DataSetKind::kFolder, "Folder"},
      {ipirm::data::DataSetKind::kColoredDigits, "ColoredDigits"},
      {ipirm::data::DataSetKind::kMnist, "MNIST"},
      {ipirm::data::DataSetKind::kFashionMnist, "FashionMNIST"},
      {ipirm::data::DataSetKind::kShapes, "Shapes"}};
};

template <>
struct ipirm::core::NamesOf<ipirm::data::Part> {
  static constexpr Named<ipirm::data::Part> kNames[] = {{ipirm::data::Part::kTrain, "train"},
                                                        {ipirm::data::Part::kLabelled, "labelled"},
                                                        {ipirm::data::Part::kTest, "test"}};
};

// What to read: the data set's name and its folder.
#pragma once

#include <string>

namespace ipirm::data {

struct DataOptions {
  std::string dataset = "STL";  // STL, CIFAR10, CIFAR100, Folder or ColoredDigits
  std::string root =
      "data";  // folder that holds the set's files (METHOD 1); unused by ColoredDigits
  // Folder alone: side of the stored middle square of an image, pixels; 0: images are stored whole,
  // in sizes of their own.
  int image_size = 96;
  // Folder alone: files are only listed, so that a damaged one is refused by image() and not here,
  // and nothing decoded is kept.
  bool for_check = false;
};

struct LoaderOptions {
  int workers = 2;             // threads that make views, >= 1
  bool pinned = false;         // page-locked buffers, for copies to a GPU beside computation
  bool channels_last = false;  // memory format of the views
  int prefetch = 3;            // batches made ahead, >= 1
};

}  // namespace ipirm::data

// MNIST and FashionMNIST from their IDX files, grey or with a colour that is a second factor.
#pragma once

#include <filesystem>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

constexpr int kGreySide = 28;  // pixels, as the files hold it

// Each takes --data_root and reads FOLDER/{train,t10k}-{images-idx3,labels-idx1}-ubyte in it, or
// the same names with .gz; pad, colours, colour_noise and colour_correlation of the options say
// what is made of them (METHOD 1.2). Reads the files whole, once: about half a second for 70,000
// images in gzip. Any number of images is a set. Throws UserError for a missing or damaged file
// (read_idx), images of another size, unequal numbers of images and labels, a label above 9, and
// options that contradict each other.
DataSets open_mnist(const DataOptions& options);          // FOLDER is MNIST/raw
DataSets open_fashion_mnist(const DataOptions& options);  // FOLDER is FashionMNIST/raw

}  // namespace ipirm::data

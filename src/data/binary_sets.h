// STL-10, CIFAR-10 and CIFAR-100 in their published binary formats, memory mapped (METHOD 1).
#pragma once

#include <filesystem>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

constexpr int kStlSide = 96, kCifarSide = 32;  // pixels

// Each takes --data_root. Images are used where they lie in the mapped file: opening touches the
// labels and no pixel. Any whole number of records, at least one, is a set. Throws UserError for a
// missing file, one that is no whole number of records, a label out of range, and (STL) unequal
// numbers of images and labels. A file must not be shortened while the set is in use: the system
// ends a process that touches a page which is no longer there (SIGBUS).
DataSets open_stl(const std::filesystem::path& root);
DataSets open_cifar10(const std::filesystem::path& root);
DataSets open_cifar100(const std::filesystem::path& root);

}  // namespace ipirm::data

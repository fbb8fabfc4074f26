// What tells one training set from another: kept beside what was made from it, and compared before
// it is used again.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

// Hashes are taken over the images in the set's order, so that another order is other data too.
// Stored (src/checkpoint/FORMAT.md): never change what goes into them under the same version.
struct Fingerprint {
  int64_t images = 0;
  // Pixels of every image; 0 where each is a file of its own, whose pixels depend on settings.
  int64_t height = 0, width = 0;
  uint64_t names = 0;   // of the images' names, for sets that have any
  uint64_t labels = 0;  // of the values of every factor
  // Of files: the sizes of all and the first bytes of a few dozen; of others: a grid of pixels of a
  // few hundred images. Both are spread evenly over the set.
  uint64_t content = 0;

  bool operator==(const Fingerprint&) const = default;
};

// Touches few pages of mapped files and asks for the size of each image's own file: milliseconds
// for STL-10, some microseconds a file. Throws UserError for a file that cannot be read.
Fingerprint fingerprint_of(const ImageSet& set);

// What differs, in words: "the number of images (was 48, now 47)", "the file names and the
// content"; empty where nothing does.
std::string difference(const Fingerprint& before, const Fingerprint& now);

// The same as a tensor of int64, for state files; and back. Throws UserError naming `source` for a
// tensor of another form.
torch::Tensor to_tensor(const Fingerprint& fingerprint);
Fingerprint fingerprint_from(const torch::Tensor& tensor, const std::filesystem::path& source);

// The same as lines of text, for a file beside a partition; and the file's content back. Throws
// UserError naming the file for another text.
std::string to_text(const Fingerprint& fingerprint);
Fingerprint read_fingerprint(const std::filesystem::path& path);

}  // namespace ipirm::data

// Image sets of a folder of image files: PART/CLASS/FILE (SPEC 1).
#pragma once

#include <cstdint>
#include <filesystem>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

// Decoded images that one part (train, test) keeps in memory: 2 GiB are 77,672 images. Those asked
// for first stay; the rest are decoded at every use. Nothing is ever thrown out: with a fresh
// permutation every epoch no image is due sooner than another, so exchanging would cost work and
// save none.
constexpr int64_t kFolderCacheBytes = int64_t{2} << 30;

// Takes --data_root, which holds train/CLASS/* and test/CLASS/*. Files ending in png, jpg, jpeg,
// bmp or webp (in any case) are images, other files and names beginning with a dot are passed over;
// classes and files are in the order of their names' bytes. Opening reads the first bytes of every
// file; decoding waits until an image is asked for. Throws UserError for a missing folder, a class
// without images, classes that differ between train and test, and a file that is none of these
// formats; image() throws it for a file that cannot be decoded.
DataSets open_folder(const std::filesystem::path& root, int64_t cache_bytes = kFolderCacheBytes);

}  // namespace ipirm::data

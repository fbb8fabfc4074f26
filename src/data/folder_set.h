// Image sets of a folder of image files: PART/CLASS/FILE (METHOD 1).
#pragma once

#include <cstdint>
#include <filesystem>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

// Bytes of decoded images that one part (train, test) keeps in memory: 2 GiB are 77,672 images of
// 96x96. Those asked for first stay; the rest are decoded at every use. Nothing is ever thrown out:
// with a fresh permutation every epoch no image is due sooner than another, so exchanging would
// cost work and save none.
constexpr int64_t kFolderCacheBytes = int64_t{2} << 30;

// Takes --data_root and lists it as list_folder() says; side as decode_image_file() takes it.
// Opening reads the first bytes of every file and ends with one line of the log: what was found,
// and how much of which kinds is left out (a warning where that is more than hidden names);
// decoding waits until an image is asked for. Images in train/ itself have no labels: one class,
// "", and no test set. Throws UserError as list_folder() does and for a file that is none of the
// formats read; image() throws it for a file that cannot be decoded. Without look_inside the files
// are only listed, and image() refuses those of other formats too. factors_csv: a table of further
// factors, as read_factors_csv() reads it; empty: none.
DataSets open_folder(const std::filesystem::path& root, int side,
                     int64_t cache_bytes = kFolderCacheBytes, bool look_inside = true,
                     const std::filesystem::path& factors_csv = {});

}  // namespace ipirm::data

// The data that a partition's rows are of: the fingerprint beside GroupResults_E.npy.
#pragma once

#include <filesystem>
#include <string>

#include "ipirm/data/fingerprint.h"

namespace ipirm::train {

// GroupResults_E.npy.data, or FILE.data for any other partition.
std::filesystem::path data_of_partition(const std::filesystem::path& partition);

// What tells the partition's data from those of `now`, as data::difference() does; empty where
// nothing does, or no fingerprint lies beside the partition. Throws UserError for one that cannot
// be read.
std::string difference_from_partition(const std::filesystem::path& partition,
                                      const data::Fingerprint& now);

}  // namespace ipirm::train

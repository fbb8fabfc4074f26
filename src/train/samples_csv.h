// samples.csv: where each row of a partition can be found again.
#pragma once

#include "ipirm/core/files.h"
#include "ipirm/data/image_set.h"

namespace ipirm::train {

// A heading and one line an image, in the set's order: index, path below the data root, label, and
// the class's folder (empty for an image that lies in none). Quoted as RFC 4180 says, lines ended
// by a line feed alone.
void write_samples_csv(const data::ImageSet& set, core::FileWriter& file);

}  // namespace ipirm::train

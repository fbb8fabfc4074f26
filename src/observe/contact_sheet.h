// What the environments of a partition look like: a sheet of images of each.
#pragma once

#include <torch/types.h>

#include <vector>

#include "ipirm/data/image_set.h"
#include "observe/events.h"

namespace ipirm::observe {

// logits (N, K) of the set's N images. A sheet an environment: 32 images in rows of eight, the most
// certain of it first, then, below a gap, the 32 least certain, the least of them last; up to 64
// images have no gap. An environment without images has an empty sheet.
std::vector<PngImage> contact_sheets(const data::ImageSet& set, const torch::Tensor& logits);

}  // namespace ipirm::observe

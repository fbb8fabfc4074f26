// Says where settings of the images' sizes do not do what their user may expect.
#pragma once

#include "ipirm/augment/options.h"
#include "ipirm/data/options.h"

namespace ipirm::app {

// Warns where --image_size has no effect on the data set, and where views are larger than the
// images that are stored, so that they are enlarged and show no more than those do.
void warn_about_sizes(const data::DataOptions& data, const augment::AugmentOptions& augment);

}  // namespace ipirm::app

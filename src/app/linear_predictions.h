// What a linear head says of the test images, as `ipirm-linear --predict` has written it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/report.h"

namespace ipirm::app {

// The confusion of each of the set's factors for which predictions.csv has the columns FACTOR and
// FACTOR_predicted; nothing where the file is missing. `model`: the network that the head sees,
// empty where nobody knows. Throws UserError, naming the file and what to do, where it is of other
// images than `test`, and for a value that the factor does not have.
std::vector<inspect::ReportConfusion> head_confusions(const std::filesystem::path& predictions,
                                                      const data::ImageSet& test,
                                                      const std::string& model);

}  // namespace ipirm::app

// What the programs ask of a data set before they use it: --check_data, sound test images, labels
// to evaluate with.
#pragma once

#include <string>

#include "ipirm/data/image_set.h"
#include "ipirm/data/options.h"

namespace ipirm::app {

// --check_data: reads every image of all parts; logs a line for each that cannot be used, and with
// `needs_labels` one where a linear evaluation would be refused. Returns the exit code. Throws
// UserError with the number of what is wrong, or when the set cannot be opened at all.
int check_data(data::DataOptions options, int workers, bool needs_labels);

// Looks at the structure of the test images' files, which are decoded first after hours of
// training. Throws UserError about the first that is wrong.
void check_test_images(const data::DataSets& sets, int workers);

// Why no accuracy can be measured: no test split, or a training set of fewer than two classes.
// Empty where it can.
std::string why_no_accuracy(const data::DataSets& sets);

// Throws UserError where a linear evaluation has nothing to measure.
void require_accuracy(const data::DataSets& sets);

}  // namespace ipirm::app

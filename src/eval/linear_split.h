// Which images of its training set a linear evaluation trains on, and which it holds out.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "ipirm/data/image_set.h"
#include "ipirm/eval/options.h"

namespace ipirm::eval {

// Factor number `factor` of a set. Throws UserError, in which the set is called `part`, where it
// has no such factor or an image's value is unknown.
const data::Factor& known_factor(const data::ImageSet& set, int factor, const char* part);

struct LinearSplit {
  std::shared_ptr<const data::ImageSet> train;
  std::shared_ptr<const data::ImageSet> held;  // null where a single head leaves nothing to choose
};

// Of each class of `all` the share options.label_share, one image at least, drawn by options.seed;
// of these a tenth is held out where options.num_heads() > 1, one at least of a class of two. In
// the order of `all`, which must outlive the result; all of it where nothing is left out. Throws
// UserError where an image's class is unknown, or no class has two images to hold one of them out.
LinearSplit split_for_linear(const data::ImageSet& all, const LinearOptions& options);

}  // namespace ipirm::eval

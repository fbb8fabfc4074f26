// Looks for images that cannot be used, all of them at once, before anything depends on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

struct BadImage {
  int64_t index = 0;  // in the set
  std::string what;   // a UserError's line: file, place, found, expected
};

enum class CheckDepth {
  kStructure,  // how each image's own file is built, without decoding it; nothing for other sets
  kPixels,     // everything: image() of each
};

// In the set's order. `workers` threads look, under a progress line called `label`; ends early once
// core::interrupted(). What is no UserError is thrown on.
std::vector<BadImage> find_bad_images(const ImageSet& set, CheckDepth depth, int workers,
                                      const std::string& label);

}  // namespace ipirm::data

// What there is to see of one partition: which images lie where, and how its environments meet what
// is known about them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/picture.h"
#include "ipirm/partition/judge.h"

namespace ipirm::inspect {

// An image in its environment.
struct Placed {
  int64_t index = 0;     // in the set
  double certainty = 0;  // the softmax weight of its environment, 1/K..1
};

// The images of one environment that a sheet shows.
struct Chosen {
  int64_t size = 0;                 // images in the environment
  std::vector<Placed> most, least;  // each in falling certainty; `least` is empty where all fit
};

// logits (N, K): for each environment at most `images` >= 1 of its images, half of them the most
// certain ones, half the least certain ones. Of equally certain ones the first in the set is ahead.
std::vector<Chosen> choose_images(const torch::Tensor& logits, int64_t images);

// How environments and the values of one factor meet.
struct FactorTable {
  partition::FactorShare share;              // mutual information, nats
  std::vector<std::vector<int64_t>> counts;  // [environment][value]
  int64_t unknown = 0;                       // images whose value nobody knows
};

// environment (N) int64 in 0..environments-1, of the images that `factor` knows.
FactorTable factor_table(const torch::Tensor& environment, int64_t environments,
                         const data::Factor& factor);

// What a value of the factor is called; "?" below 0.
std::string value_name(const data::Factor& factor, int64_t value);
// "cat, colour 3": the class by its value's name, then each factor with its own.
std::string caption(const data::ImageSet& set, int64_t index);

// The images in rows of 8, the most certain first and the least certain last, with a gap between
// the two; below each its caption and its certainty.
Picture contact_sheet(const data::ImageSet& set, const Chosen& chosen);

}  // namespace ipirm::inspect

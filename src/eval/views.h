// Batches of views of an image set for the evaluations.
#pragma once

#include <torch/types.h>

#include <memory>

#include "ipirm/augment/options.h"
#include "ipirm/data/image_set.h"
#include "ipirm/data/loader.h"
#include "ipirm/eval/feature_bank.h"

namespace ipirm::eval {

// A pass over the test views of this rank's share of the set, in the set's order; the last, smaller
// batch counts. `set` must outlive it. Images of differing_sizes() are resized and cut to
// options.crop_size; others keep their size: throws UserError, from next() too, where that is not
// one.
std::unique_ptr<data::Loader> test_views(const data::ImageSet& set, const RunOptions& options);

// The images in one of its batches.
int64_t test_batch_size(const data::ImageSet& set, const RunOptions& options);

// A pass over the augmented views of one epoch of the linear evaluation (METHOD 7): a fresh
// permutation, the last batch kept. Each rank has its share of a batch, of `least` images at least
// where it has any. `set` must outlive it.
std::unique_ptr<data::Loader> linear_views(const data::ImageSet& set,
                                           const augment::AugmentOptions& augment, uint64_t seed,
                                           int64_t epoch, int64_t batch_size, int64_t least,
                                           const RunOptions& options);

// Their shape.
data::ViewShape linear_shape(const data::ImageSet& set, const augment::AugmentOptions& augment);

}  // namespace ipirm::eval

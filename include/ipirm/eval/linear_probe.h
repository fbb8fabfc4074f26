// The linear evaluation of SPEC 7: a frozen encoder, a linear classifier on h, accuracy after each
// epoch.
#pragma once

#include <functional>

#include "ipirm/augment/options.h"
#include "ipirm/data/image_set.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/eval/options.h"

namespace ipirm::eval {

// After one epoch.
struct LinearEpoch {
  int64_t epoch = 0;  // 1-based
  double train_loss = 0, train_top1 = 0, train_top5 = 0;
  double test_loss = 0, test_top1 = 0, test_top5 = 0;  // accuracy in percent
};

// Trains a linear classifier for each known factor of `train`'s images (the class first) on one and
// the same frozen encoder, tests them on `test` after every epoch, and hands each factor's numbers
// to `after_epoch`; stops early when that returns false, and inside an epoch once
// core::interrupted(). Throws UserError where an image's factor is unknown.
void linear_probe(model::Model& model, const data::ImageSet& train, const data::ImageSet& test,
                  const LinearOptions& options, const augment::AugmentOptions& augment,
                  const RunOptions& run,
                  const std::function<bool(int factor, const LinearEpoch&)>& after_epoch);

}  // namespace ipirm::eval

// The metrics of known factors (metrics/report.h) as an evaluation of a run.
#pragma once

#include <memory>

#include "ipirm/data/image_set.h"
#include "ipirm/eval/evaluation.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/options.h"
#include "ipirm/metrics/options.h"

namespace ipirm::eval {

// Scores of every factor of `train`'s images, which `test` must have as well, and, as a factor
// called "all", those of all together; named as metrics::report() does. Images with an unknown
// factor are left out. run.device is the network's. threads: at least 1. Throws UserError where no
// factor of the images has two values.
std::unique_ptr<Evaluation> make_metrics_evaluation(std::shared_ptr<const data::ImageSet> train,
                                                    std::shared_ptr<const data::ImageSet> test,
                                                    FeatureKind feature,
                                                    const metrics::MetricOptions& options,
                                                    const RunOptions& run, int threads);

}  // namespace ipirm::eval

// The weighted kNN vote of METHOD 7 as an evaluation of a run.
#pragma once

#include <memory>

#include "ipirm/data/image_set.h"
#include "ipirm/eval/evaluation.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/options.h"

namespace ipirm::eval {

// Scores "test_acc@1" and "test_acc@5", in percent, of every factor of `labelled`, whose images are
// the memory and which `test` must have as well. run.device is the network's.
std::unique_ptr<Evaluation> make_knn_evaluation(std::shared_ptr<const data::ImageSet> labelled,
                                                std::shared_ptr<const data::ImageSet> test,
                                                const KnnOptions& options, const RunOptions& run);

}  // namespace ipirm::eval

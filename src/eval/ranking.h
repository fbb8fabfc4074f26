// The place of the true label among a query's class scores: what top-1 and top-5 are counted from.
#pragma once

#include <torch/types.h>

namespace ipirm::eval {

// Returns for each row of scores (Q, C) how many classes are ahead of its label, (Q) int64, 0..C:
// those with a higher score, or an equal score and a lower number. A label whose score is NaN has
// all classes ahead. Does not wait for the device.
torch::Tensor label_ranks(const torch::Tensor& scores, const torch::Tensor& labels);

// Counts the rows whose label is among the first 1 and the first 5 (C where C < 5): (2) float64 on
// the device of the scores.
torch::Tensor count_correct(const torch::Tensor& scores, const torch::Tensor& labels);

}  // namespace ipirm::eval

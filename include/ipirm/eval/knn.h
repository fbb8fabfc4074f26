// The weighted kNN vote of METHOD 7.
#pragma once

#include <torch/types.h>

#include "ipirm/eval/options.h"

namespace ipirm::eval {

// Class scores of Q queries, (Q, C): for each query the k nearest of the bank by inner product vote
// exp(similarity / temperature) for their label. queries (Q, F) and bank (N, F) normalised,
// bank_labels (N) int64 in 0..num_classes-1; k is capped at N. Of equal similarities the first in
// the bank is the nearer. Below a temperature of 1/80 each query's scores are divided by its
// largest vote, which would overflow. Works in blocks of queries and does not wait for the device.
torch::Tensor knn_scores(const torch::Tensor& queries, const torch::Tensor& bank,
                         const torch::Tensor& bank_labels, int64_t num_classes,
                         const KnnOptions& options);

// Accuracy in percent.
struct Accuracy {
  double top1 = 0, top5 = 0;
};

// Top-1 and top-5 (top-C where C < 5) of scores (Q, C) against labels (Q) int64, on one device. Of
// equal scores the lower class comes first; a NaN is never right; no queries count as 0 %.
Accuracy accuracy(const torch::Tensor& scores, const torch::Tensor& labels);

// The same of how many of n queries were right, (2) float64: among the first 1, the first 5.
Accuracy as_accuracy(const torch::Tensor& correct, int64_t n);

}  // namespace ipirm::eval

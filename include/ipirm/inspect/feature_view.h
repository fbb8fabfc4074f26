// What there is to see of features: each query's neighbours, a map of two dimensions, and which
// classes a vote or a classifier takes for which.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/picture.h"

namespace ipirm::inspect {

// The nearest of a bank, nearest first.
struct Neighbours {
  torch::Tensor index;       // (Q, n) int64, rows of the bank
  torch::Tensor similarity;  // (Q, n), inner products
};

// queries (Q, F), bank (N, F), both normalised; n is capped at N.
Neighbours nearest(const torch::Tensor& queries, const torch::Tensor& bank, int64_t n);

// A row for each query: its image, a gap, its neighbours. A neighbour's frame is green where it is
// of the query's class, red where it is of another. `query_index` (Q): the queries in `query_set`.
Picture neighbour_sheet(const data::ImageSet& query_set, const std::vector<int64_t>& query_index,
                        const data::ImageSet& bank_set, const Neighbours& neighbours);

// Features along their principal components of greatest variance, that of the greatest first.
struct Components {
  torch::Tensor points;       // (N, n) float64 around 0
  std::vector<double> share;  // of the variance that each of n axes has, 0..1
};

// features (N, F), N >= 1, F >= n >= 1. Exact, in float64, by the smaller one of the covariance and
// the Gram matrix; 0 along axes on which the samples do not differ (whose variance is below 1e-12
// of the largest one). Of an axis and its opposite, both of which would do, that one is taken along
// which the feature with the largest weight grows.
Components principal_components(const torch::Tensor& features, int64_t n);

// The first two of the map's components. A dot a sample, in the colour of its value (grey where
// nobody knows it), and the values' names where there are at most 20.
Picture map_picture(const Components& map, const data::Factor& factor);

// How often samples of each class were taken for each.
struct Confusion {
  std::vector<std::vector<int64_t>> counts;  // [class][taken for]
  std::vector<double> accuracy;              // of each class, percent; -1 for one without samples
  double overall = 0;                        // percent of all samples; 0 without any
  double mean = 0;                           // of the classes that have samples
};

// predicted (Q) int64 in 0..classes-1, labels (Q) int64 below classes, of which those below 0 are
// left out. classes >= 1.
Confusion confusion_of(const torch::Tensor& predicted, const torch::Tensor& labels,
                       int64_t classes);

// A square a pair of classes, the darker the larger its share of its row's class.
Picture confusion_picture(const Confusion& confusion, const data::Factor& factor);

}  // namespace ipirm::inspect

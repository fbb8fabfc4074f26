// Disentanglement, completeness and informativeness (Eastwood & Williams 2018), in the variant of
// disentanglement_lib: importances of gradient-boosted trees, accuracy instead of error.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// Scores of the parts, each 0..1, and their weighted mean.
struct Weighted {
  double score = 0;
  std::vector<double> parts, weights;  // the weights sum to 1
};

// importance: (D, F), not negative. Of each code: is it important to one factor alone? Weighted by
// the code's importance. F >= 2.
Weighted disentanglement(const Matrix& importance);
// Of each factor: is one code alone important to it? D >= 2.
Weighted completeness(const Matrix& importance);

// What boosted trees find out about each factor.
struct TreeResults {
  Matrix importance;                // (D, F); a column sums to 1, or is 0 without a split
  std::vector<double> train, test;  // accuracy for each factor
};

// Trains trees (boosted_trees.h) for each factor. Without meaning once core::interrupted().
TreeResults boost_factors(const Sample& train, const Sample& test, uint64_t seed,
                          const Workers& workers);

}  // namespace ipirm::metrics

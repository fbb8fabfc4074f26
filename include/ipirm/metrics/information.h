// What codes and factors share, in nats, and the scores made of it: mutual information gap (Chen et
// al. 2018) and modularity (Ridgeway & Mozer 2018).
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

constexpr int64_t kBins = 20;

// The bin of each number, 1..kBins, of equally wide ones from the smallest to the largest.
Values discretize(const std::vector<double>& numbers);

// Of two sequences of equal length, not empty: in nats, at least 0.
double mutual_information(const Values& a, const Values& b);
double entropy(const Values& values);

// (D, F): of each code's bins with each factor.
Matrix information(const Sample& sample, const Workers& workers);

// Of each factor: by how much its best code knows more of it than the second best, as a share of
// its entropy, 0..1. information: (D, F), D >= 2; entropies: F, above 0.
std::vector<double> information_gaps(const Matrix& information,
                                     const std::vector<double>& entropies);

// Of each code: does it know of one factor alone? 0..1; 0 for a code that knows nothing.
// information: (D, F), F >= 2.
std::vector<double> modularities(const Matrix& information);

}  // namespace ipirm::metrics

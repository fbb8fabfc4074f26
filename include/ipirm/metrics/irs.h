// Interventional robustness (Suter et al. 2019): how little a code moves while its own factor is
// held and the others change.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// One code's part in the score. Codes that never change have none.
struct RobustCode {
  int64_t code = 0;
  double weight = 0;              // the largest distance from its mean, in the code's own unit
  std::vector<double> of_factor;  // 1 - distance while the factor is held / weight; at most 1
  double score = 0;               // the largest of these
  int64_t parent = 0;             // the factor that it belongs to: the first with this score
};

struct Robustness {
  double score = 0;               // mean of the codes' scores by weight; 0 where none changes
  std::vector<RobustCode> codes;  // those that change
};

// quantile: of the distances inside a group of samples that share a factor's value, in [0, 1]; 1 is
// the paper's largest one. At least one factor. The score depends on the scale of each code.
Robustness interventional_robustness(const Sample& sample, double quantile, const Workers& workers);

}  // namespace ipirm::metrics

// Which metrics are computed, and of how many samples.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/core/names.h"

namespace ipirm::metrics {

enum class Metric {
  kDci,           // disentanglement, completeness, informativeness; accuracy of boosted trees
  kIrs,           // interventional robustness
  kMig,           // mutual information gap
  kModularity,    // does a code know of one factor alone
  kExplicitness,  // area under the curve of logistic regressions
  kSap,           // separated attribute predictability
  kLr             // accuracy of logistic regressions
};

}  // namespace ipirm::metrics

template <>
struct ipirm::core::NamesOf<ipirm::metrics::Metric> {
  using Metric = ipirm::metrics::Metric;
  static constexpr Named<Metric> kNames[] = {{Metric::kDci, "dci"},
                                             {Metric::kIrs, "irs"},
                                             {Metric::kMig, "mig"},
                                             {Metric::kModularity, "modularity"},
                                             {Metric::kExplicitness, "explicitness"},
                                             {Metric::kSap, "sap"},
                                             {Metric::kLr, "lr"}};
};

namespace ipirm::metrics {

struct MetricOptions {
  std::vector<Metric> metrics = {Metric::kDci,        Metric::kIrs,          Metric::kMig,
                                 Metric::kModularity, Metric::kExplicitness, Metric::kSap,
                                 Metric::kLr};
  // Whether the user named them: one that cannot be computed is then refused, otherwise left out.
  bool named = false;
  // Samples that are drawn where there are more, >= 1.
  int64_t train_samples = 10000, test_samples = 5000;
  double irs_quantile = 0.99;  // 0..1; 1 is the paper's
  uint64_t seed = 0;           // of the samples drawn, and of ties between splits of trees
};

}  // namespace ipirm::metrics

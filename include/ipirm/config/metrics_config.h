// The settings of ipirm-metrics: command line and YAML file in, one aggregate of options out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipirm/core/log.h"
#include "ipirm/metrics/options.h"

namespace ipirm::config {

struct MetricsConfig {
  std::string train, test;                  // .npy files with features; never empty after parsing
  std::string train_factors, test_factors;  // .csv files; after parsing never empty either
  std::vector<std::string> factors;         // columns of these files; empty: all that are factors
  std::string out;                          // .json file for the report; never empty after parsing
  bool overwrite = false;                   // replace what stands at `out`
  core::LogLevel log_level = core::LogLevel::kInfo;

  metrics::MetricOptions options;

  std::string metric_names, factor_names;  // as they were given, separated by commas
};

// Does for ipirm-metrics what parse_train() of train_config.h does for ipirm-train.
std::optional<MetricsConfig> parse_metrics(int argc, const char* const* argv);

}  // namespace ipirm::config

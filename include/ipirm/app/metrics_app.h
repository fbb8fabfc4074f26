// ipirm-metrics: composes the metrics of features from files.
#pragma once

#include "ipirm/config/metrics_config.h"

namespace ipirm::app {

// Computes the metrics, writes the report, prints it as a table, and returns the exit code
// (program.h). Everything that can be refused is refused before the work.
int run_metrics(const config::MetricsConfig& config);

}  // namespace ipirm::app

// A report of the metrics as JSON and as a table.
#pragma once

#include <string>

#include "ipirm/metrics/options.h"
#include "ipirm/metrics/report.h"

namespace ipirm::app {

// One object, indented.
std::string to_json(const metrics::Report& report, const metrics::MetricOptions& options);
// Scores of all factors, then a column for each factor; ends with a line's end.
std::string to_table(const metrics::Report& report);

}  // namespace ipirm::app

// The curves of a report: what they show, as the page's script reads it.
#pragma once

#include <string>
#include <vector>

#include "ipirm/inspect/report.h"

namespace ipirm::inspect {

// A chart: a row for each x that any of the lines has; null where a line has none there.
struct Chart {
  std::string id, title;
  std::vector<std::string> labels;  // of x, then of each line
  std::vector<size_t> runs;         // of each line the run's number, from which it has its colour
  std::vector<Points> lines;        // one a run that has points
};

// kNN accuracy of each factor, the loss and the search's risk, of every run; only charts that have
// a point. Of long lines every so-manieth point is kept, as the title says.
std::vector<Chart> charts_of(const Report& report);

// For a <script> element: holds no '<'.
std::string to_json(const std::vector<Chart>& charts);

}  // namespace ipirm::inspect

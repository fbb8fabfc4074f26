// The page that a run can be shown with: report.html, one file that needs nothing beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"
#include "ipirm/inspect/picture.h"
#include "ipirm/inspect/run_record.h"

namespace ipirm::inspect {

// A run that the page names; of the first one it shows more.
struct ReportRun {
  std::string name, folder;
  int64_t epochs = 0;  // that it was meant to have
  RunRecord record;
  std::optional<RunRecord> linear;  // of its linear evaluation
};

struct ReportSetting {
  std::string name, value;
};

struct ReportPartition {
  int64_t epoch = 0;
  std::vector<FactorTable> tables;  // one a factor
  std::vector<Chosen> chosen;       // one an environment
  std::vector<Picture> sheets;      // likewise
};

// A map in the colours of one factor.
struct ReportMap {
  std::string factor;
  Picture picture;
};

// A classifier's confusion of one factor's values.
struct ReportConfusion {
  std::string classifier;  // "kNN", "linear head"
  data::Factor factor;     // its names count, not its values
  Confusion confusion;
  Picture picture;
};

struct Report {
  std::vector<ReportRun> runs;        // at least one
  std::vector<data::Factor> factors;  // the class first; their names count, not their values
  std::string data;                   // what the runs saw, in words
  std::string network;                // the file whose features are shown
  std::vector<ReportSetting> differing, others;  // from the defaults, and those that are defaults
  std::vector<std::string> commands;             // how to repeat it
  std::vector<ReportPartition> partitions;       // oldest first
  std::optional<Picture> neighbours;
  std::vector<ReportMap> maps;
  double map_share = 0;  // of the variance, 0..1
  std::vector<ReportConfusion> confusions;
};

// "NAME has 67.5 % kNN accuracy on digit after 20 of 20 epochs, 33.1 points more than ...".
std::string result_sentence(const Report& report);
// "colour (0.69 nats, 30 % of what there is)": what a partition shares most with, or that it is
// nothing.
std::string separated(const std::vector<partition::FactorShare>& shares);
std::string separated(const ReportPartition& partition);

// The whole page. Sheets for which there is no room below 10 MB are left out, those of the oldest
// partitions first, and the page says so.
std::string report_page(const Report& report);

}  // namespace ipirm::inspect

// The page that a run can be shown with: report.html, one file that needs nothing beside it.
#pragma once

#include <cstddef>
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

// Of the page: it must stay below 10 MB, also after what notes of what is left out take.
inline constexpr size_t kMostPageBytes = 9'500'000;

// A run that the page names; of the first one it shows more.
struct ReportRun {
  std::string name, folder;
  int64_t epochs = 0;  // that it was meant to have
  RunRecord record;
  std::optional<RunRecord> linear = {};  // of its linear evaluation
  std::string linear_model = {};         // whose features that saw; empty where nobody knows
  // What it saw, where that is not what the first run saw: then its numbers are not compared.
  std::string other_data = {};
  std::string given_partition = {};  // the file of its first partition, where it was not found
};

// A setting, and its value in each run, or in all of them.
struct ReportSetting {
  std::string name;
  std::vector<std::string> values;
};

struct ReportPartition {
  int64_t epoch = 0;
  std::vector<FactorTable> tables;  // one a factor of the report
  std::vector<Chosen> chosen;       // one an environment
  std::vector<PageImage> sheets;    // likewise
};

// A map in the colours of one factor.
struct ReportMap {
  std::string factor;  // empty where none is known
  PageImage picture;
};

// A classifier's confusion of one factor's values.
struct ReportConfusion {
  std::string classifier;  // "kNN", "linear head"
  std::string basis;       // "by 10,000 of 50,000 labelled images, on 8,000 test images, ..."
  data::Factor factor;     // its names count, not its values
  Confusion confusion;
  PageImage picture = {};  // is drawn when it is written
};

struct Report {
  std::vector<ReportRun> runs;        // at least one
  std::vector<data::Factor> factors;  // of two values at least, the class first; names count alone
  std::string data;                   // what the first run saw, in words
  std::string network;                // the file whose features are shown; empty: none
  std::string no_accuracy;            // why none can be measured; empty where it can
  std::string no_features;            // why some or all of the features are not shown; likewise
  // What differs among the runs; else, of the first run, what is no default and what is one.
  std::vector<ReportSetting> differing, own, others;
  std::vector<std::string> commands;        // how to repeat it
  std::vector<ReportPartition> partitions;  // oldest first
  std::optional<PageImage> neighbours;
  std::string mapped;  // whose features the maps show: "360 test images"
  std::vector<ReportMap> maps;
  double map_share = 0;  // of the variance, 0..1
  std::vector<ReportConfusion> confusions;
  std::vector<std::string> hints;  // on what else could be shown, a sentence each
};

// 1234567 as "1,234,567".
std::string grouped(int64_t number);

// "NAME has 67.5 % kNN accuracy on digit after 20 of 20 epochs, 33.1 points more than ...", of the
// runs on the same data.
std::string result_sentence(const Report& report);
// "colour (0.69 nats, 30 % of what there is)": what a partition shares most with, or that it is
// nothing.
std::string separated(const std::vector<partition::FactorShare>& shares);
std::string separated(const ReportPartition& partition);

// The whole page, below 10 MB: tables and pictures for which there is no room are left out, those
// of the oldest partitions first, and the page says where they are.
std::string report_page(const Report& report);

}  // namespace ipirm::inspect

// The files of inspect/ but the page: each picture as PNG, and what it shows as JSON
// (src/checkpoint/FORMAT.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {

// Removes the files that an earlier call has written into the folder, by the names that are written
// here, and nothing else. Throws WriteError.
void remove_earlier(const std::filesystem::path& folder);

// Each of these writes whole files into the folder, which is there, and throws WriteError.

// partition_E.json, and partition_E_environment_K.png for each environment, whose sheets are drawn
// one after the other; `partition` keeps those that have room below `room` bytes. factors: one a
// table.
void write_partition(const std::filesystem::path& folder, ReportPartition& partition,
                     const std::vector<data::Factor>& factors, const data::ImageSet& set,
                     size_t& room);

// neighbours.png and neighbours.json; `query_index` and the bank's rows are named by where they
// stand in the whole sets.
struct NamedImages {
  const data::ImageSet* set;
  std::vector<int64_t> index;        // in `set`
  std::vector<int64_t> whole_index;  // in the part of the data that it is from
};
PageImage write_neighbours(const std::filesystem::path& folder, const NamedImages& queries,
                           const NamedImages& bank, const Neighbours& neighbours);

// map.json, and map_I_FACTOR.png for each of `factors`, whose values are those of the map's points,
// in the colours of that factor; returns these. part: of the data, of which `whole_index` names
// each point.
std::vector<ReportMap> write_map(const std::filesystem::path& folder, const Components& map,
                                 const std::vector<data::Factor>& factors, const std::string& part,
                                 const std::vector<int64_t>& whole_index);

// confusion.json, and confusion_CLASSIFIER_I_FACTOR.png for each, I being its place in the list;
// `confusions` keep these pictures.
void write_confusions(const std::filesystem::path& folder,
                      std::vector<ReportConfusion>& confusions);

// summary.json: the result in a sentence, the runs' newest scores, the settings.
void write_summary(const std::filesystem::path& folder, const Report& report);

}  // namespace ipirm::inspect

// The files of inspect/ but the page: each picture as PNG, and what it shows as JSON
// (src/checkpoint/FORMAT.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"
#include "ipirm/inspect/feature_view.h"
#include "ipirm/inspect/partition_view.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {

// Each writes whole files into the folder, which is there, and throws WriteError.

// partition_E.json, and partition_E_environment_K.png for each environment.
void write_partition(const std::filesystem::path& folder, const ReportPartition& partition,
                     const data::ImageSet& set);

// neighbours.png and neighbours.json; `query_index` and the bank's rows are named by where they
// stand in the whole sets.
struct NamedImages {
  const data::ImageSet* set;
  std::vector<int64_t> index;        // in `set`
  std::vector<int64_t> whole_index;  // in the part of the data that it is from
};
void write_neighbours(const std::filesystem::path& folder, const Picture& picture,
                      const NamedImages& queries, const NamedImages& bank,
                      const Neighbours& neighbours);

// map.json, and map_FACTOR.png for each factor. `whole_index`: of each point, in the test images.
void write_map(const std::filesystem::path& folder, const Components& map,
               const std::vector<ReportMap>& pictures, const std::vector<int64_t>& whole_index);

// confusion.json, and confusion_CLASSIFIER_FACTOR.png for each.
void write_confusions(const std::filesystem::path& folder,
                      const std::vector<ReportConfusion>& confusions);

// summary.json: the result in a sentence, the runs' newest scores, the settings.
void write_summary(const std::filesystem::path& folder, const Report& report);

}  // namespace ipirm::inspect

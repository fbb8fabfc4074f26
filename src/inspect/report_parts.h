// The longer sections of report.html.
#pragma once

#include <string>

#include "inspect/html.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {

// A row for each run: accuracies, and what its partitions share with each factor; what the columns
// mean.
std::string result_table(const Report& report);

// The newest partition first, and unfolded: how its environments meet each factor, and their
// sheets. Takes its tables and pictures from the room, tables before pictures.
std::string partitions_section(const Report& report, Room& room);

// Neighbours, maps and confusions, or why there are none. Takes its pictures from the room.
std::string features_section(const Report& report, Room& room);

}  // namespace ipirm::inspect

// What a run has come to, as a table in words.
#pragma once

#include <string>

#include "ipirm/inspect/run_record.h"

namespace ipirm::inspect {

// A line each: the loss of the last epoch and the best one; each factor's scores in the last
// evaluation and at their best, with the epoch; the partitions, and what the newest shares with
// each factor. Empty where the record holds none of these.
std::string run_summary(const RunRecord& record);

}  // namespace ipirm::inspect

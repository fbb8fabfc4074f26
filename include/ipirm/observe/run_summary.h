// What a run has come to, from its metrics.jsonl: of all calls that it took, not of the last alone.
#pragma once

#include <filesystem>
#include <string>

namespace ipirm::observe {

// A table for people, a line each: the loss of the last epoch and the best one; each factor's
// scores in the last evaluation and at their best, with the epoch; the partitions, and what the
// newest shares with each factor. Empty where the file holds none of these. Lines that are no JSON
// are passed over. Throws UserError where the file cannot be read.
std::string run_summary(const std::filesystem::path& metrics);

}  // namespace ipirm::observe

// What a maximization reports: its lines of metrics.jsonl (METHOD 9), and its end in words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/partition/maximizer.h"

namespace ipirm::train {

// Each a JSON object without a newline. epoch: after which the search is made; 0: before the first.
std::string maximize_pass_event(int64_t epoch, const partition::PassReport& pass);
// sizes: samples in each environment of the best partition; seconds: of the whole search.
std::string maximize_event(int64_t epoch, const partition::Maximization& result,
                           const std::vector<int64_t>& sizes, double seconds);

// The lines that a maximization leaves in log.txt, in the reference's words, so that scripts which
// read its logs read ours (METHOD 9): the first pass's risk and its terms; then the best pass, its
// risk, and the sizes of the environments.
std::string first_risk_line(const partition::PassReport& first);
std::vector<std::string> outcome_lines(const partition::Maximization& result,
                                       const std::vector<int64_t>& sizes);

// "risk -5.1234 (pass 12 of 56)  environments 714 + 723".
std::string maximize_summary(const partition::Maximization& result,
                             const std::vector<int64_t>& sizes);

}  // namespace ipirm::train

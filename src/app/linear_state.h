// The state of a linear evaluation after a whole epoch, as a torch file holds it
// (src/checkpoint/FORMAT.md).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/eval/linear_probe.h"

namespace ipirm::app {

struct LinearState {
  int64_t epoch = 0;                        // whole epochs done
  uint32_t encoder = 0;                     // checksum of the weights that are evaluated
  data::Fingerprint train, test;            // of the two sets
  std::vector<eval::LinearEpoch> last;      // the newest epoch of each factor
  std::vector<eval::LinearEpoch> best;      // the first of those with its highest test_top1
  std::array<uint64_t, 2> text_sizes = {};  // bytes of result.txt and metrics.jsonl
  eval::NamedTensors probe;                 // LinearProbe::state()
};

checkpoint::StateDict to_tensors(const LinearState& state);

// Throws UserError for a file that is no such state, of another version, or damaged.
LinearState read_linear_state(const std::filesystem::path& path);

}  // namespace ipirm::app

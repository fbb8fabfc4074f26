// ipirm-partition: composes one maximization on features from files.
#pragma once

#include <torch/types.h>

#include "ipirm/config/partition_config.h"

namespace ipirm::app {

// Searches, writes the partition, and returns the exit code (program.h). Everything that can be
// refused is refused before the search; files are written after it, or not at all.
int run_partition(const config::PartitionConfig& config);
// The same on a device that was chosen already.
int run_partition_on(torch::Device device, const config::PartitionConfig& config);

}  // namespace ipirm::app

// ipirm-partition: composes one maximization on features from files.
#pragma once

#include <torch/types.h>

#include <memory>

#include "ipirm/config/partition_config.h"
#include "ipirm/dist/group.h"

namespace ipirm::app {

// Searches, writes the partition, and returns the exit code (program.h). Everything that can be
// refused is refused before the search; files are written after it, or not at all.
int run_partition(const config::PartitionConfig& config);
// The same on a device that was chosen already, with the ranks of the group: all read the features
// and share the work out, rank 0 writes.
int run_partition_on(torch::Device device, const config::PartitionConfig& config,
                     const std::shared_ptr<dist::Group>& group = dist::alone());

}  // namespace ipirm::app

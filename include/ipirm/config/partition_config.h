// The settings of ipirm-partition: command line and YAML file in, one aggregate of options out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/partition/options.h"

namespace ipirm::config {

struct PartitionConfig {
  std::string view1, view2;  // .npy files with the features of two views; never empty after parsing
  std::string out;           // .npy file for the partition's logits; never empty after parsing
  std::string init;          // .npy file with the first logits; empty: random ones
  bool no_shuffle = false;   // samples in the files' order; maximize.shuffle is its opposite
  bool overwrite = false;    // replace what stands at `out`
  core::DeviceChoice device;
  bool deterministic = false;  // the same bits again on a GPU too
  double dist_timeout = 10;    // minutes that a process waits for the others, > 0
  core::LogLevel log_level = core::LogLevel::kInfo;
  std::vector<std::string> warnings;  // for the log: a line for each setting without effect

  partition::MaximizeOptions maximize;  // offline and random_init, which are ipirm-train's, aside
};

// Does for ipirm-partition what parse_train() of train_config.h does for ipirm-train.
std::optional<PartitionConfig> parse_partition(int argc, const char* const* argv);
// The settings as a YAML file would hold them.
std::string to_yaml(const PartitionConfig& config);

}  // namespace ipirm::config

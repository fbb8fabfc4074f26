// The settings of ipirm-linear: command line and YAML file in, one aggregate of the rooms' options
// out.
#pragma once

#include <optional>
#include <string>

#include "ipirm/augment/options.h"
#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/data/options.h"
#include "ipirm/eval/options.h"
#include "ipirm/model/options.h"

namespace ipirm::config {

// Not set here, but by whoever knows the device: loader.pinned, loader.channels_last,
// loader.pixels.
struct LinearConfig {
  // The .pt file whose encoder is evaluated; after parsing never empty, but with check_data.
  std::string model_path;
  std::optional<model::Arch> arch;  // not given: read off the file
  std::optional<int> width;         // not given: read off the file
  // After parsing never empty: the name of the folder that holds the file, or the file's stem.
  std::string name;
  std::string downstream_root = "downstream";  // results go to downstream_root/DATASET/name
  bool txt = false;                            // write result.txt and the state
  bool overwrite = false;                      // replace an earlier result
  bool resume = false;                         // go on with an earlier one; after parsing txt too
  bool predict = false;                        // write predictions.csv; after parsing txt too
  bool check_data = false;                     // only read all images and list what is wrong
  core::DeviceChoice device;
  bool deterministic = false;  // the same bits again on a GPU too
  double dist_timeout = 10;    // minutes that a process waits for the others, > 0
  model::Precision precision = model::Precision::kFp32;
  core::LogLevel log_level = core::LogLevel::kInfo;
  bool quiet = false;  // warnings and errors alone are shown

  data::DataOptions data;
  data::LoaderOptions loader{.workers = 6};
  augment::AugmentOptions augment;
  eval::LinearOptions linear;
};

// These do for ipirm-linear what parse_train() and to_yaml() of train_config.h do for ipirm-train.
std::optional<LinearConfig> parse_linear(int argc, const char* const* argv);
std::string to_yaml(const LinearConfig& config);

}  // namespace ipirm::config

// The settings of ipirm-features: command line and YAML file in, one aggregate of the rooms'
// options out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/data/options.h"
#include "ipirm/eval/options.h"
#include "ipirm/model/options.h"

namespace ipirm::config {

// Not set here, but by whoever knows the device: loader.pinned, loader.channels_last.
struct FeaturesConfig {
  // The file whose network is used; never empty after parsing.
  std::string model_path;
  // The .npy file to write; after parsing it ends in .npy.
  std::string out;
  // Replace what stands there.
  bool overwrite = false;
  eval::FeatureKind feature = eval::FeatureKind::kHNormalized;
  data::Part split = data::Part::kTrain;
  // Images in a forward pass, fewer of larger ones.
  int64_t batch_size = 256;
  // Side of a view of images that are stored whole, pixels.
  int crop_size = 32;
  core::DeviceChoice device;
  bool deterministic = false;  // the same bits again on a GPU too
  double dist_timeout = 10;    // minutes that a process waits for the others, > 0
  model::Precision precision = model::Precision::kFp32;
  core::LogLevel log_level = core::LogLevel::kInfo;

  data::DataOptions data;
  data::LoaderOptions loader{.workers = 6};
};

// As parse_train() of train_config.h.
std::optional<FeaturesConfig> parse_features(int argc, const char* const* argv);
// The settings as a YAML file would hold them.
std::string to_yaml(const FeaturesConfig& config);

}  // namespace ipirm::config

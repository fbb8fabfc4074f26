// The settings of ipirm-inspect: command line and YAML file in, one aggregate out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/data/options.h"
#include "ipirm/model/options.h"

namespace ipirm::config {

struct InspectConfig {
  std::string run;                   // the run's folder; never empty after parsing
  std::vector<std::string> against;  // folders of runs that stand beside it in curves and tables
  std::string out;                   // the folder that is written; after parsing never empty
  std::string data_root;             // empty: as the run's settings say
  std::string downstream_root = "downstream";  // where the linear evaluations of the runs are
  std::optional<int> epoch;                    // of the model_E.pt that is shown; empty: the newest
  // Test images whose features are shown, and labelled images that vote and are neighbours, at
  // most; empty: as many as have 4 million pixels.
  std::optional<int> images, bank;
  int64_t sheet_images = 48;  // of an environment, on its sheet
  int64_t queries = 10;       // test images whose neighbours are shown
  int64_t neighbours = 8;     // of each
  int64_t batch_size = 64;    // images in a forward pass
  core::DeviceChoice device;
  bool deterministic = false;                 // the same bits again on a GPU too
  std::optional<model::Precision> precision;  // empty: as the run's settings say
  core::LogLevel log_level = core::LogLevel::kInfo;
  data::LoaderOptions loader{.workers = 2};

  std::string against_text;  // as it was given, separated by commas
};

// Does for ipirm-inspect what parse_train() of train_config.h does for ipirm-train. The run's
// folder may stand first without --run, and folders one after the other behind --against.
std::optional<InspectConfig> parse_inspect(int argc, const char* const* argv);

}  // namespace ipirm::config

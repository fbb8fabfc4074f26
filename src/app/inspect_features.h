// What ipirm-inspect shows of a network's features.
#pragma once

#include <torch/types.h>

#include <filesystem>

#include "app/run_folder.h"
#include "ipirm/config/inspect_config.h"
#include "ipirm/data/image_set.h"
#include "ipirm/inspect/report.h"

namespace ipirm::app {

// What the work stops with once a signal has come.
struct Interrupted {};

// Embeds images with the network of the run in the file `network`, writes neighbours, a map and
// confusions into config.out, and adds them to the report; the map alone, of the training images
// where there are none to test on, where report.no_accuracy says why there is nothing to measure.
// Throws Interrupted.
void show_features(const config::InspectConfig& config, const RunFolder& run,
                   const data::DataSets& sets, const std::filesystem::path& network,
                   torch::Device device, inspect::Report& report);

// The factors that can tell images apart: those of two values at least.
std::vector<data::Factor> telling_factors(const data::ImageSet& set);

}  // namespace ipirm::app

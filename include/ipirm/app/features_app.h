// ipirm-features: composes the features of an image set by a saved network.
#pragma once

#include "ipirm/config/features_config.h"

namespace ipirm::app {

// Writes features and labels, and returns the exit code (program.h). Everything that can be refused
// is refused before the first image; files are written whole or not at all.
int run_features(const config::FeaturesConfig& config);

}  // namespace ipirm::app

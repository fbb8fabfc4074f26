// ipirm-train: composes a training run from its settings.
#pragma once

#include "ipirm/config/train_config.h"

namespace ipirm::app {

// Trains, and returns the exit code (program.h). Everything that can be refused is refused before
// anything is written.
int run_train(const config::TrainConfig& config);

}  // namespace ipirm::app

// ipirm-linear: composes a linear evaluation from its settings.
#pragma once

#include "ipirm/config/linear_config.h"

namespace ipirm::app {

// Evaluates, and returns the exit code (program.h).
int run_linear(const config::LinearConfig& config);

}  // namespace ipirm::app

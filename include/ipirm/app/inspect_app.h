// ipirm-inspect: composes what there is to see of a run.
#pragma once

#include "ipirm/config/inspect_config.h"

namespace ipirm::app {

// Writes the folder that config.out names, and returns the exit code (program.h). Everything that
// can be refused is refused before anything is written.
int run_inspect(const config::InspectConfig& config);

}  // namespace ipirm::app

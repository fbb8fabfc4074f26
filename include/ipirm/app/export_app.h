// ipirm-export: composes the conversion of a saved model into a torchvision state_dict.
#pragma once

#include "ipirm/config/export_config.h"

namespace ipirm::app {

// Converts, and returns the exit code (program.h).
int run_export(const config::ExportConfig& config);

}  // namespace ipirm::app

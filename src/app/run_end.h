// The last words of a run: what it has come to, and what to do next.
#pragma once

#include <filesystem>

#include "ipirm/config/train_config.h"
#include "ipirm/data/image_set.h"

namespace ipirm::app {

// Logs the table of run_summary() and the commands that go on from `folder`: the linear evaluation
// of the last weights (where the data have what it needs), the run's report (where ipirm-inspect
// stands beside this program), TensorBoard (where the run has events for it).
void say_what_came_out(const config::TrainConfig& config, const data::DataSets& sets,
                       const std::filesystem::path& folder);

}  // namespace ipirm::app

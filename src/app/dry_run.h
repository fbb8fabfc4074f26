// What a run would take, need and write, from a few steps of it (--dry_run).
#pragma once

#include <filesystem>

#include "ipirm/config/train_config.h"
#include "ipirm/data/image_set.h"
#include "ipirm/train/run_state.h"
#include "ipirm/train/views.h"

namespace ipirm::app {

// Logs the settings that differ from the defaults, the memory of the run's parts, its time and the
// files that it would write into `folder`. Writes nothing. `state`, of the run before its first
// step, is of no use afterwards: some steps are made with it, on the run's own batches. False where
// a signal came before they were made.
bool say_what_a_run_takes(const config::TrainConfig& config, const data::DataSets& sets,
                          const train::ViewSource& views, train::RunState& state,
                          torch::Device device, const std::filesystem::path& folder);

}  // namespace ipirm::app

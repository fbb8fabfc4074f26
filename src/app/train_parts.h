// What a training run is made of, chosen by its settings.
#pragma once

#include <torch/types.h>

#include "ipirm/config/train_config.h"
#include "ipirm/data/image_set.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/observe/event_files.h"
#include "ipirm/observe/text_files.h"
#include "ipirm/train/trainer.h"

namespace ipirm::app {

// What a run's observers write to; all of it must outlive the run. Texts and events null: nobody
// observes, as in all ranks but 0.
struct RunFiles {
  std::filesystem::path folder;
  observe::TextFiles* texts = nullptr;
  observe::EventFiles* events = nullptr;
};

// The step, the source of partitions, the evaluations and the observers, which write into `files`.
// state: as it is before the run, whose data is named beside each partition.
train::TrainerParts make_parts(const config::TrainConfig& config, const data::DataSets& sets,
                               const train::ViewSource& views, torch::Device device,
                               const RunFiles& files, const train::RunState& state);

// How a run's network is evaluated.
eval::RunOptions evaluation_options(const config::TrainConfig& config,
                                    const train::ViewSource& views, torch::Device device);

}  // namespace ipirm::app

// What a training run is made of, chosen by its settings.
#pragma once

#include <torch/types.h>

#include "ipirm/config/train_config.h"
#include "ipirm/data/image_set.h"
#include "ipirm/observe/text_files.h"
#include "ipirm/train/trainer.h"

namespace ipirm::app {

// The step, the source of partitions, the evaluations and the observers, which write into `texts`
// and beside them; both must outlive the run. texts null: nobody observes, as in all ranks but 0.
// state: as it is before the run, whose data is named beside each partition.
train::TrainerParts make_parts(const config::TrainConfig& config, const data::DataSets& sets,
                               const train::ViewSource& views, torch::Device device,
                               const std::filesystem::path& folder, observe::TextFiles* texts,
                               const train::RunState& state);

}  // namespace ipirm::app

// Chooses a run's step, source of partitions, evaluations and observers.
#include "app/train_parts.h"

#include <ATen/Parallel.h>

#include "ipirm/eval/knn_evaluation.h"
#include "ipirm/eval/metrics_evaluation.h"
#include "ipirm/observe/console.h"
#include "ipirm/observe/metrics_lines.h"
#include "ipirm/observe/partition_files.h"
#include "ipirm/observe/reference_texts.h"
#include "ipirm/observe/tensorboard.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

// Everyone who is told what happens in the run. Files come first: what they refuse is not said.
train::Observers observers_of(const config::TrainConfig& config, const RunFiles& files,
                              const train::ViewSource& views, torch::Device device,
                              const train::RunState& state) {
  if (!files.texts) return {};
  auto& texts = *files.texts;
  std::vector<std::shared_ptr<train::Observer>> observers = {
      std::make_shared<observe::PartitionFiles>(files.folder, state.data),
      std::make_shared<observe::ReferenceTexts>(texts.open("log.txt"),
                                                texts.open("knn_result.txt")),
      std::make_shared<observe::MetricsLines>(texts.open("metrics.jsonl"))};
  if (config.tensorboard) {
    observers.push_back(std::make_shared<observe::TensorBoard>(
        [events = files.events](const std::string& event) { events->append(event); },
        observe::TensorBoardOptions{config.train.batch_size, device, views.set}));
  }
  observers.push_back(std::make_shared<observe::Console>(observe::console_options()));
  return train::Observers(std::move(observers));
}

std::vector<std::unique_ptr<eval::Evaluation>> evaluations_of(const config::TrainConfig& config,
                                                              const data::DataSets& sets,
                                                              const train::ViewSource& views,
                                                              torch::Device device) {
  std::vector<std::unique_ptr<eval::Evaluation>> evaluations;
  if (!sets.test) return evaluations;
  const auto run = evaluation_options(config, views, device);
  evaluations.push_back(eval::make_knn_evaluation(sets.labelled, sets.test, config.knn, run));
  if (config.evaluation == eval::EvaluationKind::kMetrics) {
    evaluations.push_back(
        eval::make_metrics_evaluation(sets.labelled, sets.test, config.metrics_feature,
                                      {.seed = config.train.seed}, run, at::get_num_threads()));
  }
  return evaluations;
}

std::unique_ptr<train::PartitionSource> source_of(const config::TrainConfig& config,
                                                  const train::ViewSource& views) {
  switch (config.source.kind) {
    case partition::SourceKind::kSearch:
      return train::make_search(config.maximize, views, config.train.batch_size, config.train.bf16);
    case partition::SourceKind::kRandom:
      return train::make_random_source(config.maximize, *views.set);
    case partition::SourceKind::kFactor:
      return train::make_factor_source(config.source.factor, config.maximize, *views.set);
  }
  TORCH_INTERNAL_ASSERT(false, "a source of partitions of no kind");
}

}  // namespace

eval::RunOptions evaluation_options(const config::TrainConfig& config,
                                    const train::ViewSource& views, torch::Device device) {
  return {device,
          config.train.bf16,
          views.loader,
          config.train.batch_size,
          config.augment.crop_size,
          views.group};
}

train::TrainerParts make_parts(const config::TrainConfig& config, const data::DataSets& sets,
                               const train::ViewSource& views, torch::Device device,
                               const RunFiles& files, const train::RunState& state) {
  return {.step = train::make_step(config.loss, {.retain_group = config.train.retain_group,
                                                 .bf16 = config.train.bf16,
                                                 .seed = config.train.seed,
                                                 .group = views.group}),
          .source = source_of(config, views),
          .evaluations = evaluations_of(config, sets, views, device),
          .observers = observers_of(config, files, views, device, state)};
}

}  // namespace ipirm::app

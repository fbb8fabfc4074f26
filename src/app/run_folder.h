// A run's folder as other programs read it: its settings, what it logged, its models and
// partitions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/config/train_config.h"
#include "ipirm/inspect/run_record.h"

namespace ipirm::app {

struct RunFolder {
  std::filesystem::path path;
  config::TrainConfig config;
  inspect::RunRecord record;
  // GroupResults_E.npy by ascending E, those under the reference's names too.
  std::vector<std::pair<int64_t, std::filesystem::path>> partitions;
  // model_E.pt likewise.
  std::vector<std::pair<int64_t, std::filesystem::path>> models;
  // The folder of its linear evaluation, which need not be there.
  std::filesystem::path linear_path;
  // metrics.jsonl in it, where the evaluation was made with --txt.
  std::optional<inspect::RunRecord> linear;
};

// downstream_root: where linear evaluations are. Throws UserError for a folder without config.yaml
// and metrics.jsonl, and for files that cannot be read.
RunFolder open_run(const std::filesystem::path& path, const std::filesystem::path& downstream_root);

// The file of the network after `epoch`, or without one of the newest model; state.pt where the run
// has saved no model yet. Throws UserError where there is no such file.
std::filesystem::path model_of(const RunFolder& run, std::optional<int> epoch);

// A setting of the run as config.yaml has it.
struct ShownSetting {
  std::string name, value;
  bool is_default = false;
};
std::vector<ShownSetting> settings_of(const config::TrainConfig& config);

}  // namespace ipirm::app

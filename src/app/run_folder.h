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
  // --model_path of that evaluation, the file's name alone for one in `path`; empty where its
  // settings are not there.
  std::string linear_model;
};

// downstream_root: where linear evaluations are. Throws UserError for a folder without config.yaml
// and metrics.jsonl, and for files that cannot be read.
RunFolder open_run(const std::filesystem::path& path, const std::filesystem::path& downstream_root);

// The file of the network after `epoch`, or without one of the newest model; state.pt where the run
// has saved no model yet, and nothing where it has no state either. Throws UserError where there is
// no model of `epoch`.
std::optional<std::filesystem::path> model_of(const RunFolder& run, std::optional<int> epoch);

// What people call the folders: the last part of each path, and of namesakes as many parts before
// it as tell them apart. Throws UserError where one folder is there twice.
std::vector<std::string> names_of(const std::vector<std::filesystem::path>& folders);

// A setting of the run by its name, and its value in plain text.
struct ShownSetting {
  std::string name, value;
  bool is_default = false;
};
std::vector<ShownSetting> settings_of(const config::TrainConfig& config);

// What the other run's images are, in words, where they are not the first run's: "MNIST", or the
// settings that differ. Empty where they are the same, as far as the settings say: the folder of
// the data counts for Folder alone, whose images nothing else names.
std::string other_data(const config::TrainConfig& first, const config::TrainConfig& other);

}  // namespace ipirm::app

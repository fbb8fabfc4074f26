// The settings of ipirm-train: command line and YAML file in, one aggregate of the rooms' options
// out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipirm/augment/options.h"
#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/data/options.h"
#include "ipirm/eval/options.h"
#include "ipirm/loss/options.h"
#include "ipirm/model/options.h"
#include "ipirm/partition/options.h"
#include "ipirm/train/options.h"

namespace ipirm::config {

// Values that several rooms use (temperature, number of environments, seed, order of samples) are
// named once on the command line and stand, equal, in each room's options. Not set here, but by
// whoever knows the device: loader.pinned, loader.channels_last, loader.pixels.
struct TrainConfig {
  std::string name;  // folder of the run; after parsing never empty ("ipirm" or "baseline")
  std::string results_root = "results";  // the run is written to results_root/DATASET/name
  core::DeviceChoice device;
  bool deterministic = false;                            // the same bits again on a GPU too
  model::Precision precision = model::Precision::kFp32;  // train.bf16 follows from it
  bool sync_bn = false;      // BatchNorm over the batches of all processes
  double dist_timeout = 10;  // minutes that a process waits for the others, > 0
  core::LogLevel log_level = core::LogLevel::kInfo;
  std::string pretrain_model;  // .pt file with the first weights; empty: random ones
  std::string partition;       // .npy file with the first partition; empty: maximize before epoch 1
  bool partition_any_data = false;  // though it was made for other data
  // Samples come in the set's order; train.shuffle and maximize.shuffle are its opposite.
  bool no_shuffle = false;
  bool overwrite = false;    // replace what the run's folder holds
  bool resume = false;       // go on with the run that the folder holds
  bool tensorboard = false;  // event files for TensorBoard beside the other results
  bool quiet = false;        // warnings and errors alone are shown
  bool dry_run = false;      // only say what the run would need and write
  bool check_data = false;   // only read all images and list what is wrong

  std::vector<std::string> warnings;  // for the log: a line for each setting without effect
  // Settings of the reference that no code reads, there as here.
  struct Ignored {
    std::string ours_mode;
    bool debug = false, groupnorm = false;
  } ignored;

  data::DataOptions data;
  data::LoaderOptions loader{.workers = 6};
  augment::AugmentOptions augment;
  model::ModelOptions model;
  loss::LossOptions loss;
  partition::MaximizeOptions maximize;
  partition::SourceOptions source;
  train::TrainOptions train;
  eval::KnnOptions knn;
  eval::EvaluationKind evaluation = eval::EvaluationKind::kKnn;
  eval::FeatureKind metrics_feature = eval::FeatureKind::kZ;  // what the metrics see
};

// The settings of this command line: a flag wins over the file given with --config, the file over
// the defaults. Every value is within its range and no two contradict. Empty after --help or
// --version, whose text then stands on stdout. Throws UserError, naming the flag or file:line, what
// was found and what was expected.
std::optional<TrainConfig> parse_train(int argc, const char* const* argv);

// The settings as a YAML file: read back through --config it gives the same settings (METHOD 9).
// --overwrite, --resume, --check_data, --quiet and --dry_run, which are about one call and not
// about the run, are left out.
std::string to_yaml(const TrainConfig& config);

}  // namespace ipirm::config

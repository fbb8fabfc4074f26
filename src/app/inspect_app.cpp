// Composes what there is to see of a run: its folder, its data, its network, pictures and the page.
#include "ipirm/app/inspect_app.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "app/data_checks.h"
#include "app/features.h"
#include "app/inspect_features.h"
#include "app/run_folder.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/core/text.h"
#include "ipirm/inspect/files.h"
#include "ipirm/inspect/report.h"
#include "ipirm/observe/partition_files.h"
#include "ipirm/partition/partition_set.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

void stop_where_interrupted() {
  if (core::interrupted()) throw Interrupted();
}

// The run, then those beside it.
std::vector<RunFolder> open_runs(const config::InspectConfig& config) {
  std::vector<RunFolder> runs = {open_run(config.run, config.downstream_root)};
  for (const auto& other : config.against) runs.push_back(open_run(other, config.downstream_root));
  return runs;
}

std::vector<inspect::ReportRun> report_runs(const std::vector<RunFolder>& folders) {
  std::vector<fs::path> paths;
  for (const auto& run : folders) paths.push_back(run.path);
  const auto names = names_of(paths);
  std::vector<inspect::ReportRun> runs;
  for (size_t i = 0; i < folders.size(); ++i) {
    const auto& run = folders[i];
    runs.push_back({names[i], run.path.string(), run.config.train.epochs, run.record, run.linear,
                    run.linear_model, other_data(folders.front().config, run.config),
                    run.config.partition});
  }
  return runs;
}

// The partition's logits, of the images of `set`. Throws UserError for those of other data.
torch::Tensor read_partition(const fs::path& path, int64_t num_env, const data::ImageSet& set,
                             const data::Fingerprint& data) {
  auto logits = read_logits(path, set.size(), num_env, torch::kFloat64);
  if (const auto different = observe::difference_from_partition(path, data); !different.empty()) {
    throw UserError(cat(path.string(), ": is a partition of other images, which differ in ",
                        different, "; name the run's own data by --data_root"));
  }
  return logits;
}

// Sheets and tables of every partition, which are written as they are made: the newest first, whose
// sheets the page keeps.
std::vector<inspect::ReportPartition> show_partitions(const config::InspectConfig& config,
                                                      const RunFolder& run,
                                                      const data::ImageSet& set) {
  const auto data = data::fingerprint_of(set);
  const auto factors = telling_factors(set);
  size_t room = inspect::kMostPageBytes;
  std::vector<inspect::ReportPartition> shown;
  for (auto file = run.partitions.rbegin(); file != run.partitions.rend(); ++file) {
    stop_where_interrupted();
    const auto& [epoch, path] = *file;
    const auto logits = read_partition(path, run.config.maximize.num_env, set, data);
    const auto environment = partition::environment_of(logits).to(torch::kCPU);
    inspect::ReportPartition partition{
        epoch, {}, inspect::choose_images(logits, config.sheet_images), {}};
    for (const auto& factor : factors)
      partition.tables.push_back(inspect::factor_table(environment, logits.size(1), factor));
    inspect::write_partition(config.out, partition, factors, set, room);
    shown.push_back(std::move(partition));
  }
  std::reverse(shown.begin(), shown.end());
  return shown;
}

// The value of a run's setting; "-" where it has none.
std::string value_of(const std::vector<ShownSetting>& settings, const std::string& name) {
  for (const auto& setting : settings) {
    if (setting.name == name) return setting.value;
  }
  return "-";
}

void add_settings(const std::vector<RunFolder>& runs, inspect::Report& report) {
  std::vector<std::vector<ShownSetting>> all;
  for (const auto& run : runs) all.push_back(settings_of(run.config));
  for (const auto& [name, value, is_default] : all.front()) {
    inspect::ReportSetting setting{name, {}};
    for (const auto& settings : all) setting.values.push_back(value_of(settings, name));
    const auto& values = setting.values;
    // Each run has a name of its own, which heads its column.
    if (name != "name" && std::any_of(values.begin(), values.end(),
                                      [&](const auto& other) { return other != value; })) {
      report.differing.push_back(std::move(setting));
      continue;
    }
    setting.values.resize(1);
    (is_default ? report.others : report.own).push_back(std::move(setting));
  }
}

// How to train the run once more, beside the one that is there.
std::vector<std::string> commands(const config::InspectConfig& config, const RunFolder& run) {
  const auto again = core::shell_word(run.config.name + "-again");
  std::string short_form =
      cat("ipirm-train --config ", core::shell_word((run.path / "config.yaml").string()),
          " --name ", again);
  std::string long_form = "ipirm-train";
  for (const auto& [name, value, is_default] : settings_of(run.config)) {
    const bool moved = name == "data_root" && !config.data_root.empty();
    if (!is_default && !moved && name != "name")
      long_form += cat(" --", name, "=", core::shell_word(value));
  }
  long_form += " --name=" + again;
  if (!config.data_root.empty()) {
    short_form += " --data_root " + core::shell_word(config.data_root);
    long_form += " --data_root=" + core::shell_word(config.data_root);
  }
  return {short_form, "# or, with the settings that are not the defaults:", long_form};
}

std::string data_in_words(const config::TrainConfig& config, const data::DataSets& sets) {
  const bool telling = sets.labelled && sets.labelled->factors().front().num_values >= 2;
  return cat(core::name_of(config.data.dataset), ": ", inspect::grouped(sets.train->size()),
             " images to train on, ",
             telling ? inspect::grouped(sets.labelled->size()) + " of them with labels"
                     : "without labels that tell them apart",
             ", ", sets.test ? inspect::grouped(sets.test->size()) : "none", " to test on.");
}

// Everything, in the order in which it is cheap.
void inspect_run(const config::InspectConfig& config, const std::vector<RunFolder>& runs,
                 torch::Device device) {
  const auto& run = runs.front();
  inspect::Report report;
  report.runs = report_runs(runs);
  const auto network = model_of(run, config.epoch);
  auto options = run.config.data;
  if (!config.data_root.empty()) options.root = config.data_root;
  const auto sets = data::open_data_sets(options);
  core::make_writable_folder(config.out);
  inspect::remove_earlier(config.out);
  core::log_info(cat("ipirm-inspect ", core::version(), "  ", describe(device), "  ",
                     run.path.string(), "  ", run.partitions.size(), " partitions, ",
                     network ? network->filename().string() : "no model yet"));
  report.factors = telling_factors(*sets.train);
  report.data = data_in_words(run.config, sets);
  report.no_accuracy = why_no_accuracy(sets);
  report.no_features = network ? report.no_accuracy : "the run has saved no model yet";
  add_settings(runs, report);
  report.commands = commands(config, run);
  report.partitions = show_partitions(config, run, *sets.train);
  if (!report.no_features.empty())
    core::log_warning("not all features are shown: " + report.no_features);
  if (network) show_features(config, run, sets, *network, device, report);
  inspect::write_summary(config.out, report);
  core::write_atomically(fs::path(config.out) / "report.html", inspect::report_page(report));
  core::log_info(inspect::result_sentence(report));
}

}  // namespace

int run_inspect(const config::InspectConfig& config) {
  core::set_log_level(config.log_level);
  const auto start = std::chrono::steady_clock::now();
  core::check_threads(at::get_num_threads() + config.loader.workers);
  const auto device = choose_device(config.device);
  const auto runs = open_runs(config);
  set_arithmetic(device, {.precision = config.precision.value_or(runs.front().config.precision),
                          .deterministic = config.deterministic});
  torch::NoGradGuard no_grad;
  try {
    inspect_run(config, runs, device);
  } catch (const Interrupted&) {
    core::log_info(cat("stopped; the page was not written, ", config.out, " holds what was made"));
    return kExitInterrupted;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  core::log_info(cat("done in ", core::human_duration(seconds.count()), "  ",
                     (fs::path(config.out) / "report.html").string()));
  return kExitOk;
}

}  // namespace ipirm::app

// Composes what there is to see of a run: its folder, its data, its network, pictures and the page.
#include "ipirm/app/inspect_app.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <filesystem>

#include "app/architecture.h"
#include "app/data_checks.h"
#include "app/linear_predictions.h"
#include "app/run_folder.h"
#include "app/weights.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/data/subset.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/inspect/files.h"
#include "ipirm/inspect/report.h"
#include "ipirm/observe/partition_files.h"
#include "ipirm/partition/partition_set.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

// What the work stops with once a signal has come.
struct Interrupted {};
void stop_where_interrupted() {
  if (core::interrupted()) throw Interrupted();
}

// "quickstart-search"; where another run's folder has the same name, with the folder above it.
std::string shown_name(const fs::path& folder, bool alone) {
  auto path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const auto name = path.filename().string();
  return alone ? name : cat(path.parent_path().filename().string(), "/", name);
}

std::vector<inspect::ReportRun> report_runs(const std::vector<RunFolder>& folders) {
  std::vector<inspect::ReportRun> runs;
  for (const auto& run : folders) {
    int64_t namesakes = 0;
    for (const auto& other : folders)
      namesakes += shown_name(other.path, true) == shown_name(run.path, true);
    runs.push_back({shown_name(run.path, namesakes == 1), run.path.string(),
                    run.config.train.epochs, run.record, run.linear});
  }
  return runs;
}

// The partition's logits, of the images of `set`. Throws UserError for those of other data.
torch::Tensor read_partition(const fs::path& path, const data::ImageSet& set,
                             const data::Fingerprint& data) {
  const auto logits = checkpoint::read_npy(path);
  if (logits.dim() != 2 || logits.size(0) != set.size() || logits.size(1) < 1 ||
      !logits.is_floating_point()) {
    throw UserError(cat(path.string(), ": found an array of shape ", logits.sizes(),
                        ", expected a row of numbers for each of the ", set.size(),
                        " images; name the run's own data by --data_root"));
  }
  if (const auto different = observe::difference_from_partition(path, data); !different.empty()) {
    throw UserError(cat(path.string(), ": is a partition of other images, which differ in ",
                        different, "; name the run's own data by --data_root"));
  }
  return logits;
}

// Sheets and tables of every partition, which are written as they are made.
std::vector<inspect::ReportPartition> show_partitions(const config::InspectConfig& config,
                                                      const RunFolder& run,
                                                      const data::ImageSet& set) {
  const auto data = data::fingerprint_of(set);
  std::vector<inspect::ReportPartition> shown;
  for (const auto& [epoch, path] : run.partitions) {
    stop_where_interrupted();
    const auto logits = read_partition(path, set, data);
    const auto environment = partition::environment_of(logits).to(torch::kCPU);
    inspect::ReportPartition partition{
        epoch, {}, inspect::choose_images(logits, config.sheet_images), {}};
    for (const auto& factor : set.factors())
      partition.tables.push_back(inspect::factor_table(environment, logits.size(1), factor));
    for (const auto& chosen : partition.chosen)
      partition.sheets.push_back(inspect::contact_sheet(set, chosen));
    inspect::write_partition(config.out, partition, set);
    shown.push_back(std::move(partition));
  }
  return shown;
}

// The labelled and the test images whose features are shown, and these, of length 1.
struct Embedded {
  data::Subset labelled, test;
  torch::Tensor bank, queries;  // (N, F), (Q, F) on the device
};

torch::Tensor embed(model::Model& model, const data::ImageSet& set, const eval::RunOptions& run,
                    const std::string& label) {
  const auto features = eval::embed_test_views(model, set, run, label);
  if (!features.defined()) throw Interrupted();
  return features;
}

Embedded embed_parts(const config::InspectConfig& config, const RunFolder& run,
                     const data::DataSets& sets, const fs::path& source, torch::Device device) {
  const auto weights = read_weights(source, "", checkpoint::RunState::kTakeWeights);
  auto model = make_model(infer_architecture(weights, source), weights, source, device);
  Embedded result{data::spread_subset(sets.labelled, config.images),
                  data::spread_subset(sets.test, config.images),
                  {},
                  {}};
  const eval::RunOptions options{device, config.precision == model::Precision::kBf16,
                                 data::for_device(config.loader, device), config.batch_size,
                                 run.config.augment.crop_size};
  result.bank = embed(model, result.labelled, options, "labelled images");
  result.queries = embed(model, result.test, options, "test images");
  return result;
}

std::vector<int64_t> whole_indices(const data::Subset& set) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < set.size(); ++i) result.push_back(set.whole_index(i));
  return result;
}

void show_neighbours(const config::InspectConfig& config, const Embedded& e,
                     inspect::Report& report) {
  inspect::NamedImages queries{&e.test, {}, {}}, bank{&e.labelled, {}, whole_indices(e.labelled)};
  const int64_t shown = std::min(config.queries, e.test.size());
  for (int64_t q = 0; q < shown; ++q) {
    queries.index.push_back(q * e.test.size() / shown);
    queries.whole_index.push_back(e.test.whole_index(queries.index.back()));
  }
  const auto rows = torch::tensor(queries.index, torch::kInt64).to(e.queries.device());
  const auto found = inspect::nearest(e.queries.index_select(0, rows), e.bank, config.neighbours);
  report.neighbours = inspect::neighbour_sheet(e.test, queries.index, e.labelled, found);
  inspect::write_neighbours(config.out, *report.neighbours, queries, bank, found);
}

void show_map(const config::InspectConfig& config, const Embedded& e, inspect::Report& report) {
  const auto map = inspect::principal_components(e.queries, 2);
  for (const auto& factor : e.test.factors())
    report.maps.push_back({factor.name, inspect::map_picture(map, factor)});
  report.map_share = map.share[0] + map.share[1];
  inspect::write_map(config.out, map, report.maps, whole_indices(e.test));
}

// The kNN's confusion of each factor that both parts know.
void add_knn(const RunFolder& run, const Embedded& e, inspect::Report& report) {
  for (size_t f = 0; f < e.test.factors().size(); ++f) {
    const auto& factor = e.test.factors()[f];
    const auto known = torch::tensor(e.labelled.factors()[f].values, torch::kInt64);
    const auto labels = torch::tensor(factor.values, torch::kInt64);
    const auto rows = known.ge(0).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    const auto device = e.bank.device();
    const auto scores =
        eval::knn_scores(e.queries, e.bank.index_select(0, rows.to(device)),
                         known.index_select(0, rows).to(device), factor.num_values, run.config.knn);
    const auto confusion = inspect::confusion_of(scores.argmax(1), labels, factor.num_values);
    report.confusions.push_back(
        {"kNN", factor, confusion, inspect::confusion_picture(confusion, factor)});
  }
}

void show_confusions(const config::InspectConfig& config, const RunFolder& run, const Embedded& e,
                     const data::ImageSet& test, inspect::Report& report) {
  add_knn(run, e, report);
  for (auto& c : head_confusions(run.linear_path / "predictions.csv", test))
    report.confusions.push_back(std::move(c));
  inspect::write_confusions(config.out, report.confusions);
}

void add_settings(const RunFolder& run, inspect::Report& report) {
  std::string command = "ipirm-train";
  for (const auto& [name, value, is_default] : settings_of(run.config)) {
    (is_default ? report.others : report.differing).push_back({name, value});
    if (!is_default) command += cat(" --", name, "=", value);
  }
  report.commands = {cat("ipirm-train --config ", (run.path / "config.yaml").string()),
                     "# or, with the settings that are not the defaults:", command};
}

std::string data_in_words(const config::TrainConfig& config, const data::DataSets& sets) {
  return cat(core::name_of(config.data.dataset), ": ", sets.train->size(), " images to train on, ",
             sets.labelled ? sets.labelled->size() : 0, " of them with labels, ",
             sets.test ? sets.test->size() : 0, " to test on.");
}

// Everything, in the order in which it is cheap.
void inspect_run(const config::InspectConfig& config, torch::Device device) {
  std::vector<RunFolder> runs = {open_run(config.run, config.downstream_root)};
  for (const auto& other : config.against) runs.push_back(open_run(other, config.downstream_root));
  const auto& run = runs.front();
  const auto network = model_of(run, config.epoch);
  auto options = run.config.data;
  if (!config.data_root.empty()) options.root = config.data_root;
  const auto sets = data::open_data_sets(options);
  const auto reason = why_no_accuracy(sets);
  core::make_writable_folder(config.out);
  core::log_info(cat("ipirm-inspect ", core::version(), "  ", describe(device), "  ",
                     run.path.string(), "  ", run.partitions.size(), " partitions, ",
                     network.filename().string()));
  inspect::Report report;
  report.runs = report_runs(runs);
  report.factors = sets.train->factors();
  report.data = data_in_words(run.config, sets);
  report.network = network.string();
  add_settings(run, report);
  report.partitions = show_partitions(config, run, *sets.train);
  if (reason.empty()) {
    const auto embedded = embed_parts(config, run, sets, network, device);
    show_neighbours(config, embedded, report);
    show_map(config, embedded, report);
    show_confusions(config, run, embedded, *sets.test, report);
  } else {
    core::log_warning(cat("features are not shown: ", reason));
  }
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
  set_arithmetic(device, {.precision = config.precision, .deterministic = config.deterministic});
  torch::NoGradGuard no_grad;
  try {
    inspect_run(config, device);
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

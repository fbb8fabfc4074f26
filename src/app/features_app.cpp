// Composes the features of an image set: device, data, network, one pass, two files.
#include "ipirm/app/features_app.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <filesystem>

#include "app/architecture.h"
#include "app/outputs.h"
#include "app/processes.h"
#include "app/weights.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/data/image_set.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

// Leaves the writing of a file whose content will not be whole.
struct Interrupted {};

fs::path labels_path(const config::FeaturesConfig& config) {
  return fs::path(config.out).replace_extension(".csv");
}

model::Model read_model(const config::FeaturesConfig& config, torch::Device device) {
  const fs::path source = config.model_path;
  const auto weights = read_weights(source, "", checkpoint::RunState::kTakeWeights);
  if (config.feature == eval::FeatureKind::kZ && !weights.has_head) {
    throw UserError(cat("--feature z: ", config.model_path,
                        " holds no projection head, which makes z from h; choose h or "
                        "h_normalized, or name a model_E.pt"));
  }
  return make_model(infer_architecture(weights, source), weights, source, device);
}

const data::ImageSet& part_of(const data::DataSets& sets, const config::FeaturesConfig& config) {
  const auto& part = sets.part(config.split);
  if (part) return *part;
  throw UserError(cat("--split ", core::name_of(config.split), ": the data have no such images",
                      config.data.dataset == data::DataSetKind::kFolder
                          ? " (see the line on the folder above)"
                          : "",
                      "; choose another split, or other data by --dataset and --data_root"));
}

std::string heading(const data::ImageSet& set, bool with_paths) {
  std::string text = with_paths ? "index,path" : "index";
  for (const auto& factor : set.factors()) text += ',' + core::csv_field(factor.name);
  return text;
}

// A heading and a line an image, in the set's order: its number, its path where it has one, and
// each factor, by the values' names where they have some (-1: unknown).
void write_labels(const data::ImageSet& set, const fs::path& path) {
  const bool with_paths = !set.name(0).empty();
  core::write_atomically(path, [&](core::FileWriter& file) {
    std::string line = heading(set, with_paths) + '\n';
    for (int64_t i = 0; i < set.size(); ++i) {
      file.write(line.data(), line.size());
      line = std::to_string(i);
      if (with_paths) line += ',' + core::csv_field(set.name(i));
      for (const auto& factor : set.factors())
        line += ',' + core::csv_field(factor.name_of(factor.values[static_cast<size_t>(i)]));
      line += '\n';
    }
    file.write(line.data(), line.size());
  });
}

// Writes the features of the set's images, batch by batch where one process has all of them; of
// several, which share them out, rank 0 writes what was gathered. False once the ranks stop, with
// nothing written.
bool write_features(const config::FeaturesConfig& config, model::Model& model,
                    const data::ImageSet& set, const eval::RunOptions& run,
                    const std::string& label) {
  const std::vector<int64_t> shape = {set.size(), eval::feature_width(model, config.feature)};
  const auto write = [&](const auto& give) {
    checkpoint::write_npy(config.out, shape, torch::kFloat32, give);
  };
  auto& group = *run.group;
  if (!group.is_alone()) {
    const auto all = eval::embed_whole_set(model, set, run, label, config.feature);
    if (!all.defined()) return false;
    if (group.is_first()) write([&](const checkpoint::AppendBlock& append) { append(all); });
    return true;
  }
  try {
    write([&](const checkpoint::AppendBlock& append) {
      if (!eval::visit_test_views(model, set, run, label, config.feature, append))
        throw Interrupted();
    });
  } catch (const Interrupted&) {
    return false;
  }
  return true;
}

// Refuses files that cannot or must not be written: rank 0's, which alone writes.
void check_out(const config::FeaturesConfig& config, const dist::Group& group) {
  if (!group.is_first()) return;
  check_outputs({config.out, labels_path(config)}, {config.model_path, config.data.factors_csv},
                "read by this program", config.overwrite);
  try_output(config.out);
}

// Writes features and labels with the ranks of the group; false once they stop.
bool run_in(const std::shared_ptr<dist::Group>& group, const config::FeaturesConfig& config,
            torch::Device device) {
  const auto start = std::chrono::steady_clock::now();
  check_out(config, *group);
  auto model = read_model(config, device);
  const auto sets = data::open_data_sets(config.data);
  const auto& set = part_of(sets, config);
  if (!group->is_alone()) {
    std::string weights;
    for (const auto& tensor : model->parameters()) weights += dist::content_text(tensor) + '\n';
    check_processes_alike(
        *group, to_yaml(config),
        {{"weights", weights}, {"data", data::to_text(data::fingerprint_of(set))}});
  }
  const eval::RunOptions run{device,
                             config.precision == model::Precision::kBf16,
                             data::for_device(config.loader, device),
                             config.batch_size,
                             config.crop_size,
                             group};
  const auto kind = core::name_of(config.feature), part = core::name_of(config.split);
  core::log_info(cat("ipirm-features ", core::version(), "  ", describe(device), ", ",
                     core::name_of(config.precision)));
  core::log_info(cat(config.model_path, "  ", core::name_of(model->options().arch), " of width ",
                     model->options().width, "  on ", core::name_of(config.data.dataset), "  ",
                     set.size(), " ", part, " images"));
  if (!write_features(config, model, set, run, cat(kind, " of ", part))) {
    core::log_info(cat("stopped; nothing was written to ", config.out));
    return false;
  }
  if (group->is_first()) write_labels(set, labels_path(config));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  core::log_info(cat("done in ", core::human_duration(seconds.count()), "  ", config.out, "  ",
                     kind, ", ", set.size(), " rows of ",
                     eval::feature_width(model, config.feature), ";  ",
                     labels_path(config).string(), "  ", heading(set, !set.name(0).empty())));
  return true;
}

}  // namespace

int run_features(const config::FeaturesConfig& config) {
  const auto launch = introduce(config.log_level);
  core::check_threads(at::get_num_threads() + config.loader.workers);
  const auto device = choose_device(own_device(config.device, launch));
  set_arithmetic(device, {.precision = config.precision, .deterministic = config.deterministic});
  const auto group = join(launch, device, config.dist_timeout);
  const bool done = run_in(group, config, device);
  leave(*group);
  return done ? kExitOk : kExitInterrupted;
}

}  // namespace ipirm::app

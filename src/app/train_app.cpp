// Composes a training run: device, data, network, state, folder, trainer.
#include "ipirm/app/train_app.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/utils.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

#include "app/data_checks.h"
#include "app/dry_run.h"
#include "app/features.h"
#include "app/image_sizes.h"
#include "app/processes.h"
#include "app/projected_features.h"
#include "app/resume.h"
#include "app/run_end.h"
#include "app/train_parts.h"
#include "app/weights.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/dist/collect.h"
#include "ipirm/dist/share.h"
#include "ipirm/inspect/picture.h"
#include "ipirm/observe/event_files.h"
#include "ipirm/observe/partition_files.h"
#include "ipirm/observe/tensorboard.h"
#include "ipirm/observe/text_files.h"
#include "ipirm/train/run_folder.h"
#include "ipirm/train/state_store.h"
#include "ipirm/train/trainer.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

// resuming: the weights will come from the state, not from --pretrain_model.
model::Model make_model(const config::TrainConfig& config, torch::Device device, bool resuming) {
  torch::manual_seed(core::KeyedRandom(config.train.seed, core::Purpose::kModelInit, 0).bits());
  model::Model model(config.model);
  if (!config.pretrain_model.empty() && !resuming) load_pretrained(model, config.pretrain_model);
  model->to(device);
  model::use_channels_last(*model);
  return model;
}

// Each step takes tensors of the sizes of the step before. glibc would give the large ones back to
// the system when they are freed, and every step would pay for fresh zeroed pages (6 % of a
// ResNet-50 step): what was taken is kept instead.
void keep_memory_of_equal_sizes() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
#endif
}

// Under MixUp a forward pass has as many images as an environment has in the batch: tensors come in
// ever new sizes, more of them the more partitions there are. Two things would keep memory for
// each. glibc's heap takes in blocks of up to 32 MB, which leave gaps of the wrong size: large ones
// are mapped one by one instead. oneDNN keeps 1024 kernels, each for one size: fewer here.
void bound_memory_of_varying_sizes() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 20);  // bytes; set, it no longer adapts
#endif
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128", /*overwrite=*/0);  // read at its first use
}

std::string counts_of(const data::DataSets& sets) {
  return core::cat(sets.train->size(), " training images (",
                   sets.labelled ? sets.labelled->size() : 0, " labelled), ",
                   sets.test ? core::cat(sets.test->size()) : "no", " test images");
}

// Refuses a partition that lies beside a fingerprint of other data, unless told not to.
void check_partition_data(const config::TrainConfig& config, const data::Fingerprint& data) {
  const auto different = observe::difference_from_partition(config.partition, data);
  if (different.empty()) return;
  const auto what = core::cat(
      "--partition ", config.partition, ": was made for other data, which differ in ", different,
      " (it says so in ", observe::data_of_partition(config.partition).filename().string(), ")");
  if (!config.partition_any_data) {
    throw core::UserError(core::cat(
        what, "; name the data it was made for, or add --partition_any_data to take it as it is"));
  }
  core::log_warning(what + "; it is taken all the same");
}

train::ExistingRun existing_run(const config::TrainConfig& config) {
  if (config.resume) return train::ExistingRun::kResume;
  return config.overwrite ? train::ExistingRun::kOverwrite : train::ExistingRun::kRefuse;
}

// Rank 0's hold of the run's folder, its texts and its event files. The other ranks have none.
struct Results {
  std::unique_ptr<train::RunFolder> folder;
  std::shared_ptr<observe::TextFiles> texts;
  std::shared_ptr<observe::EventFiles> events;
};

// Throws UserError where the folder holds another run.
std::optional<Results> open_results(const config::TrainConfig& config, const fs::path& path,
                                    const std::string& yaml, const dist::Group& group) {
  if (!group.is_first()) return std::nullopt;
  const bool resuming = config.resume && train::StateStore::holds_state(path);
  if (resuming && fs::exists(path / "config.yaml"))
    check_settings_unchanged(path / "config.yaml", yaml, to_yaml(config::TrainConfig()));
  auto folder = std::make_unique<train::RunFolder>(path, existing_run(config));
  return Results{std::move(folder),
                 std::make_shared<observe::TextFiles>(path, /*keep=*/config.resume),
                 std::make_shared<observe::EventFiles>(path)};
}

// The store of the run's state: in rank 0 of the texts and events too, also where this call writes
// no events, since a call before it may have.
std::unique_ptr<train::StateStore> make_store(const fs::path& path, train::RunState& state,
                                              const std::optional<Results>& results) {
  auto parts = train::parts_of(state);
  if (results) {
    parts.push_back(results->texts);
    parts.push_back(results->events);
  }
  return std::make_unique<train::StateStore>(path, std::move(parts), results.has_value());
}

// Goes on from the folder's newest state: false where there is none yet.
bool resume(train::RunState& state, train::StateStore& store, const Results& results) {
  if (!store.load()) {
    results.texts->clear();
    results.events->clear();
    core::log_info("nothing to resume here yet: starting from the beginning");
    return false;
  }
  core::log_info(
      core::cat("resuming at epoch ", state.position.epoch, ", step ", state.position.step));
  return true;
}

// The first lines of a run: what is trained, on what, where.
void say_what_is_run(const config::TrainConfig& config, torch::Device device,
                     const model::Model& model, const std::string& counts,
                     const fs::path& results) {
  int64_t parameters = 0;
  for (const auto& parameter : model->parameters()) parameters += parameter.numel();
  core::log_info(core::cat("ipirm-train ", core::version(), "  ", describe(device), ", ",
                           core::name_of(config.precision)));
  core::log_info(core::cat(core::name_of(config.data.dataset), "  ", counts));
  core::log_info(core::cat(core::name_of(config.model.arch), " of width ", config.model.width, "  ",
                           parameters, " parameters"));
  core::log_info(core::cat("results  ", results.string()));
}

// The state of a run before its first step: first weights, and the first partition if one is given.
train::RunState first_state(const config::TrainConfig& config, const data::ImageSet& set,
                            torch::Device device, bool resuming) {
  auto model = make_model(config, device, resuming);
  ops::Adam adam(model->parameters(),
                 {.lr = config.train.lr, .weight_decay = config.train.weight_decay});
  train::RunState state{
      model,
      std::move(adam),
      partition::PartitionSet(config.train.retain_group, device, config.train.retain_group_set),
      {},
      {},
      data::fingerprint_of(set),
      config.loss.baseline ? std::string() : partition::source_text(config.source)};
  if (!config.partition.empty() && !resuming) {
    check_partition_data(config, *state.data);
    state.partitions.add(
        read_logits(config.partition, set.size(), config.maximize.num_env, torch::kFloat32));
  }
  return state;
}

// The sets of a run, what is said of them, and the views of what is trained on.
struct Data {
  data::DataSets sets;
  std::string counts;
  train::ViewSource views;
};

Data open_data(const config::TrainConfig& config, torch::Device device,
               const std::shared_ptr<dist::Group>& group) {
  warn_about_sizes(config.data, config.augment);
  auto sets = data::open_data_sets(config.data);
  train::check_batch_size(config.train.batch_size, sets.train->size());
  auto counts = counts_of(sets);
  if (const auto why = why_no_accuracy(sets); !why.empty()) {
    core::log_warning(why + ": the run makes no kNN evaluation");
    sets.test.reset();
  }
  check_test_images(sets, config.loader.workers);
  auto loader = data::for_device(config.loader, device);
  // MixUp sends first views to the other ranks: as bytes they are a quarter as long.
  if (!group->is_alone() && (config.loss.mixup.on || config.maximize.mixup))
    loader.pixels = data::Pixels::kByte;
  train::ViewSource views{sets.train, config.augment, loader, config.train.seed, group};
  return {std::move(sets), std::move(counts), std::move(views)};
}

// Trains with the ranks of the group; true when the whole run is done.
bool train_in(const std::shared_ptr<dist::Group>& group, const config::TrainConfig& config,
              torch::Device device, const fs::path& path) {
  const auto data = open_data(config, device, group);
  if (core::interrupted() && group->is_alone()) return false;
  const auto yaml = to_yaml(config);
  // What a state will bring need not be read: rank 0's goes to all.
  const bool resuming =
      !group->is_first() || (config.resume && train::StateStore::holds_state(path));
  auto state = first_state(config, *data.sets.train, device, resuming);
  if (config.sync_bn && !group->is_alone()) state.model->synchronise_batch_norm(group);
  check_processes_alike(*group, yaml, {{"data", data::to_text(*state.data)}});
  const auto results = open_results(config, path, yaml, *group);
  RunFiles files{.folder = path};
  if (results) files = {path, results->texts.get(), results->events.get()};
  auto parts = make_parts(config, data.sets, data.views, device, files, state);
  const auto store = make_store(path, state, results);
  const bool resumed = results && config.resume && resume(state, *store, *results);
  train::share_state(state, *group);
  train::Trainer trainer(config.train, config.maximize.num_env, std::move(parts), data.views, state,
                         *store, device);
  if (results) {
    results->folder->write_config(yaml);
    results->folder->write_samples(*data.sets.train, /*replace=*/!resumed);
    if (config.tensorboard && results->events->empty())
      results->events->append(observe::settings_event(yaml));
  }
  say_what_is_run(config, device, state.model, data.counts, path);
  if (!group->is_alone()) core::log_info(core::cat(group->size(), " processes"));
  const bool done = trainer.run();
  if (done && config.tensorboard) {
    dist::broadcast(*group,
                    state.model->buffers());  // BatchNorm's statistics, as a save takes them
    project_features(state.model, data.sets, evaluation_options(config, data.views, device), path);
  }
  if (done && results) say_what_came_out(config, data.sets, path);
  return done;
}

// --dry_run, by one process.
int try_run(const config::TrainConfig& config, torch::Device device, const fs::path& path) {
  const auto data = open_data(config, device, dist::alone());
  if (core::interrupted()) return kExitInterrupted;
  auto state = first_state(config, *data.sets.train, device, /*resuming=*/false);
  say_what_is_run(config, device, state.model, data.counts, path);
  return say_what_a_run_takes(config, data.sets, data.views, state, device, path)
             ? kExitOk
             : kExitInterrupted;
}

}  // namespace

int run_train(const config::TrainConfig& config) {
  const auto launch = introduce(config.log_level, config.quiet);
  for (const auto& warning : config.warnings) core::log_warning(warning);
  if (config.check_data)
    return check_data(config.data, config.loader.workers, /*needs_labels=*/false);
  if (config.tensorboard) inspect::require_pictures("--tensorboard");
  config.loss.mixup.on ? bound_memory_of_varying_sizes() : keep_memory_of_equal_sizes();
  const auto start = std::chrono::steady_clock::now();
  core::check_threads(at::get_num_threads() + config.loader.workers);
  const auto device = choose_device(own_device(config.device, launch));
  set_arithmetic(device, {.precision = config.precision,
                          .deterministic = config.deterministic,
                          .sizes_vary = config.loss.mixup.on});
  const auto path =
      fs::path(config.results_root) / core::name_of(config.data.dataset) / config.name;
  if (config.dry_run && launch.size > 1) {
    throw core::UserError(
        "--dry_run tries a run of one process: start it without torchrun, srun or mpirun");
  }
  if (config.dry_run) return try_run(config, device, path);
  const auto group = join(launch, device, config.dist_timeout);
  dist::check_divides(config.train.batch_size, *group);
  const bool done = train_in(group, config, device, path);
  const bool stopped = !done && group->agreement().stop();
  leave(*group);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (done) {
    core::log_info(
        core::cat("done in ", core::human_duration(elapsed.count()), "  ", path.string()));
  }
  return stopped ? kExitInterrupted : kExitOk;
}

}  // namespace ipirm::app

// Composes a linear evaluation: device, data, network, a probe for each known factor.
#include "ipirm/app/linear_app.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <tuple>

#include "app/architecture.h"
#include "app/data_checks.h"
#include "app/image_sizes.h"
#include "app/linear_folder.h"
#include "app/linear_results.h"
#include "app/linear_state.h"
#include "app/processes.h"
#include "app/weights.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/host_copy.h"
#include "ipirm/checkpoint/state_file.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/dist/collect.h"
#include "ipirm/eval/linear_probe.h"
#include "ipirm/model/model.h"
#include "ipirm/observe/console.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

model::Model load_model(const config::LinearConfig& config, torch::Device device) {
  const fs::path path = config.model_path;
  const auto weights = read_weights(path);
  const auto options = infer_architecture(weights, path);
  const auto disagree = [&](const std::string& flag, const auto& given, const auto& found) {
    throw core::UserError(core::cat("--", flag, " ", given, ": ", path.string(), " holds a ", found,
                                    "; leave the flag out or name the file's own"));
  };
  if (config.arch && *config.arch != options.arch)
    disagree("arch", core::name_of(*config.arch), core::name_of(options.arch));
  if (config.width && *config.width != options.width) {
    disagree("width", *config.width,
             core::cat(core::name_of(options.arch), " of width ", options.width));
  }
  return make_model(options, weights, path, device);
}

// The encoder's weights: the head is not evaluated, and the number of batches behind a running
// statistic counts for nothing.
checkpoint::StateDict encoder_weights(const model::Model& model) {
  checkpoint::StateDict weights;
  for (const auto& [name, tensor] : checkpoint::state_dict(*model)) {
    if (name.starts_with("module.f.") && !name.ends_with("num_batches_tracked"))
      weights.emplace_back(name, tensor);
  }
  return weights;
}

// A loss that is no longer finite ends the evaluation.
void check_finite(const std::string& factor, const eval::LinearEpoch& e) {
  if (std::isfinite(e.train_loss) && std::isfinite(e.test_loss)) return;
  throw std::runtime_error(core::cat(factor, ", epoch ", e.epoch, ": the loss is ", e.train_loss,
                                     " in training, ", e.test_loss,
                                     " in the test; try a smaller --lr"));
}

// Puts the folder's state, where it holds one, into `probe` and `state`.
void resume(const config::LinearConfig& config, LinearFolder& folder, eval::LinearProbe& probe,
            LinearState& state) {
  auto saved = folder.load_state(to_yaml(config));
  if (!saved) return;
  auto& [found, source] = *saved;
  if (found.encoder != state.encoder) {
    throw core::UserError(core::cat(source.string(),
                                    ": an evaluation of other weights than those in ",
                                    config.model_path, " (checksum ", found.encoder, ", now ",
                                    state.encoder, "); name the model that it was started with, ",
                                    "choose another --name, or start anew with --overwrite"));
  }
  for (const auto& [part, before, now] : {std::tuple("training", found.train, state.train),
                                          std::tuple("test", found.test, state.test)}) {
    const auto different = data::difference(before, now);
    if (different.empty()) continue;
    throw core::UserError(core::cat(source.string(), ": the evaluation was started on other ", part,
                                    " images, which differ in ", different,
                                    "; resume with those (--dataset, --data_root), or start anew ",
                                    "with --overwrite"));
  }
  if (found.last.size() != state.last.size() || found.best.size() != state.best.size()) {
    throw core::UserError(core::cat(
        source.string(), ": ", found.last.size(), " factors; the data ", "have ", state.last.size(),
        "; go on with the data that it was ", "started with, or start anew with --overwrite"));
  }
  for (const auto& epochs : {found.last, found.best}) {
    for (const eval::LinearEpoch& e : epochs) {
      if (e.head < config.linear.num_heads()) continue;
      throw core::UserError(core::cat(source.string(), ": head ", e.head, " of ",
                                      config.linear.num_heads(), "; the file is damaged"));
    }
  }
  probe.restore(found.probe, source.string());
  state = std::move(found);
}

// Rank 0's epoch and probe, which it may have read from a state, for all.
void share_state(dist::Group& group, eval::LinearProbe& probe, LinearState& state) {
  if (group.is_alone()) return;
  auto own = probe.state();
  own.emplace_back("epoch", torch::tensor(state.epoch, torch::kInt64));
  const auto first = dist::from_first(group, own);
  if (group.is_first()) return;
  state.epoch = first.back().second.item<int64_t>();
  probe.restore(first, "the state of rank 0");
}

// Writes an epoch of a factor into the folder: its best head, and each of several.
void tell(const eval::LinearOptions& options, const std::string& factor, bool is_class,
          const eval::LinearEpoch& best, const std::vector<eval::LinearEpoch>& heads,
          LinearFolder& folder) {
  const auto scores = [&](const eval::LinearEpoch& e) {
    auto all = eval::scores_of(e);
    if (options.num_heads() == 1) return all;
    if (options.solver == eval::LinearSolver::kAdam) all.push_back({"lr", options.lr_of(e.head)});
    all.push_back({"weight_decay", options.weight_decay_of(e.head)});
    return all;
  };
  folder.observer().evaluation(
      {best.epoch, options.epochs, "linear", {factor, is_class, scores(best)}});
  if (options.num_heads() == 1) return;
  for (const eval::LinearEpoch& head : heads) {
    folder.observer().evaluation(
        {head.epoch, options.epochs, "linear_head", {factor, /*is_class=*/false, scores(head)}});
  }
}

// When the state is saved: after each epoch; of epochs that take less than the saving itself, as on
// cached features, after those that end a second or more after the last one saved.
class SaveTimes {
 public:
  explicit SaveTimes(bool epochs_are_short) : epochs_are_short_(epochs_are_short) {}
  bool due(bool is_last) {
    const auto now = std::chrono::steady_clock::now();
    if (epochs_are_short_ && !is_last && now - saved_ < std::chrono::seconds(1)) return false;
    saved_ = now;
    return true;
  }

 private:
  bool epochs_are_short_;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
};

// Every epoch that is left, with what is written after it. False once the ranks stop.
bool run_epochs(const config::LinearConfig& config, const std::vector<data::Factor>& factors,
                std::optional<LinearFolder>& folder, eval::LinearProbe& probe, LinearState& state) {
  observe::Console console(observe::console_options());
  SaveTimes saves(config.linear.cache);
  while (state.epoch < config.linear.epochs) {
    const auto results = probe.epoch(state.epoch + 1);
    if (!results) return false;
    ++state.epoch;
    for (size_t f = 0; f < factors.size(); ++f) {
      const eval::LinearEpoch& e = (*results)[f];
      if (folder) tell(config.linear, factors[f].name, f == 0, e, probe.heads()[f], *folder);
      console.evaluation(
          {e.epoch, config.linear.epochs, "linear", {factors[f].name, f == 0, scores_of(e)}});
      check_finite(factors[f].name, e);
      state.last[f] = e;
      if (e.epoch == 1 || is_better(e, state.best[f])) state.best[f] = e;
    }
    if (!folder || !saves.due(state.epoch == config.linear.epochs)) continue;
    state.probe = probe.state();
    folder->save(state);
  }
  return true;
}

void report_end(const config::LinearConfig& config, const std::vector<data::Factor>& factors,
                const LinearState& state) {
  for (size_t f = 0; f < factors.size() && state.epoch > 0; ++f) {
    core::log_info(core::cat(factors[f].name, "  best ", summary(config.linear, state.best[f]),
                             "  last ", summary(config.linear, state.last[f])));
  }
}

// What becomes of an evaluation that stops before its end.
std::string how_to_go_on(const std::optional<LinearFolder>& folder) {
  if (!folder) return "nothing is kept of it (with --txt or --resume it could be gone on with)";
  return folder->holds_state() ? "the state of the last whole epoch is kept: go on with --resume"
                               : "no state has been saved yet: --resume starts anew";
}

// The state before the first epoch: what is evaluated on what.
LinearState first_state(const model::Model& model, const data::DataSets& sets) {
  LinearState state;
  state.encoder = checkpoint::checksum(checkpoint::host_copy(encoder_weights(model)));
  state.train = data::fingerprint_of(*sets.labelled);
  state.test = data::fingerprint_of(*sets.test);
  state.last.resize(sets.labelled->factors().size());
  state.best.resize(sets.labelled->factors().size());
  return state;
}

// Opens the folder's texts where the state left them, or afresh.
void open_folder(const config::LinearConfig& config, LinearFolder& folder,
                 const LinearState& state) {
  if (state.epoch > 0) {
    folder.go_on(to_yaml(config), state);
    core::log_info(core::cat("resuming at epoch ", state.epoch + 1));
    return;
  }
  folder.begin(to_yaml(config), config.overwrite, config.resume);
  if (config.resume) core::log_info("nothing to resume here yet: starting from the beginning");
}

// The data to evaluate on. Throws UserError where they do not do.
data::DataSets open_data(const config::LinearConfig& config) {
  warn_about_sizes(config.data, config.augment);
  auto sets = data::open_data_sets(config.data);
  require_accuracy(sets);
  check_test_images(sets, config.loader.workers);
  return sets;
}

void say_what_is_run(const config::LinearConfig& config, torch::Device device,
                     const data::DataSets& sets, const dist::Group& group) {
  core::log_info(core::cat("ipirm-linear ", core::version(), "  ", describe(device), ", ",
                           core::name_of(config.precision)));
  core::log_info(core::cat(config.model_path, "  on ", core::name_of(config.data.dataset), "  ",
                           sets.labelled->size(), " training, ", sets.test->size(),
                           " test images"));
  if (!group.is_alone()) core::log_info(core::cat(group.size(), " processes"));
}

// Writes what an evaluation leaves when all its epochs are done; false once the ranks stop. Rank 0
// decides, which alone has read the state and knows the folder: predictions of fewer epochs that
// stand there are made anew.
bool write_results(const config::LinearConfig& config, const data::DataSets& sets,
                   dist::Group& group, const std::optional<LinearFolder>& folder,
                   eval::LinearProbe& probe, const LinearState& state) {
  if (folder) write_classifiers(folder->path(), sets.test->factors(), probe, state);
  std::vector<int64_t> plan = {config.predict || (folder && holds_predictions(folder->path()))};
  for (const eval::LinearEpoch& e : state.last) plan.push_back(e.head);
  const torch::Tensor of_first = torch::tensor(plan);
  group.broadcast(of_first);
  const int64_t* number = of_first.const_data_ptr<int64_t>();
  if (*number == 0) return true;
  const auto predictions = probe.predict({number + 1, number + of_first.numel()});
  if (predictions && folder) write_predictions(folder->path(), *sets.test, *predictions);
  return predictions.has_value();
}

// Makes the epochs that are left and says how they went; false once the ranks stop.
bool evaluate(const config::LinearConfig& config, const data::DataSets& sets, dist::Group& group,
              std::optional<LinearFolder>& folder, eval::LinearProbe& probe, LinearState& state) {
  const auto& factors = sets.labelled->factors();
  bool done = false;
  try {
    if (folder) open_folder(config, *folder, state);
    done = run_epochs(config, factors, folder, probe, state);
    if (done) done = write_results(config, sets, group, folder, probe, state);
  } catch (const core::WriteError& error) {
    throw core::WriteError(core::cat(error.what(), "; ", how_to_go_on(folder)));
  }
  report_end(config, factors, state);
  if (!done)
    core::log_info(core::cat("stopped in epoch ", state.epoch + 1, "/", config.linear.epochs, "; ",
                             how_to_go_on(folder)));
  if (folder) core::log_info(core::cat("results  ", folder->path().string()));
  return done;
}

// Evaluates with the ranks of the group; false once they stop.
bool run_in(const std::shared_ptr<dist::Group>& group, const config::LinearConfig& config,
            torch::Device device) {
  const auto sets = open_data(config);
  if (core::interrupted() && group->is_alone()) return false;
  auto model = load_model(config, device);
  eval::RunOptions run{device,
                       config.precision == model::Precision::kBf16,
                       data::for_device(config.loader, device),
                       config.linear.batch_size,
                       config.augment.crop_size,
                       group};
  eval::LinearProbe probe(model, *sets.labelled, *sets.test, config.linear, config.augment, run);
  LinearState state = first_state(model, sets);
  check_processes_alike(*group, to_yaml(config),
                        {{"weights", core::cat(state.encoder)},
                         {"training data", data::to_text(state.train)},
                         {"test data", data::to_text(state.test)}});
  std::optional<LinearFolder> folder;
  if (config.txt && group->is_first())
    folder.emplace(fs::path(config.downstream_root) / core::name_of(config.data.dataset) /
                   config.name);
  if (config.resume && folder) resume(config, *folder, probe, state);
  share_state(*group, probe, state);
  say_what_is_run(config, device, sets, *group);
  if (state.epoch >= config.linear.epochs) {
    core::log_info(core::cat("nothing to do: ", state.epoch, " of ", config.linear.epochs,
                             " epochs are done; for more raise --epochs"));
    report_end(config, sets.labelled->factors(), state);
    return write_results(config, sets, *group, folder, probe, state);
  }
  return evaluate(config, sets, *group, folder, probe, state);
}

}  // namespace

int run_linear(const config::LinearConfig& config) {
  const auto launch = introduce(config.log_level, config.quiet);
  if (config.check_data)
    return check_data(config.data, config.loader.workers, /*needs_labels=*/true);
  core::check_threads(at::get_num_threads() + config.loader.workers);
  const auto device = choose_device(own_device(config.device, launch));
  set_arithmetic(device, {.precision = config.precision, .deterministic = config.deterministic});
  const auto group = join(launch, device, config.dist_timeout);
  dist::check_divides(config.linear.batch_size, *group);
  const bool done = run_in(group, config, device);
  leave(*group);
  return done ? kExitOk : kExitInterrupted;
}

}  // namespace ipirm::app

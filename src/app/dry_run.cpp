// Makes some steps, embeds some images, searches among random features, and multiplies.
#include "app/dry_run.h"

#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <numeric>
#include <string>

#include "app/run_folder.h"
#include "app/train_parts.h"
#include "ipirm/core/device_memory.h"
#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/core/text.h"
#include "ipirm/core/to_device.h"
#include "ipirm/data/subset.h"
#include "ipirm/train/plan.h"
#include "ipirm/train/time_left.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

constexpr double kPatience = 20;  // seconds after which no further step is made
// More than the loader makes ahead, so that a step that waits for its batch is seen to.
constexpr int64_t kMostSteps = 16;
constexpr double kMegabyte = 1e6;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string megabytes(double bytes) {
  const int digits = bytes < kMegabyte / 10 ? 3 : bytes < 10 * kMegabyte ? 1 : 0;
  return core::with_digits(bytes / kMegabyte, digits) + " MB";
}

// What a run costs, as far as it was tried out.
struct Costs {
  // Of a step; of embedding an image; of a pass of the search over the whole set.
  double step = 0, image = 0, pass = 0;
  // What a step holds beside weights, gradients and moments, bytes; -1: not known.
  double activations = -1;
};

class DryRun {
 public:
  DryRun(const config::TrainConfig& config, const data::DataSets& sets,
         const train::ViewSource& views, train::RunState& state, torch::Device device)
      : config_(config),
        sets_(sets),
        views_(views),
        state_(state),
        device_(device),
        parts_(make_parts(config, sets, views, device, {}, state)),
        searches_(parts_.step->uses_partitions() &&
                  config.source.kind == partition::SourceKind::kSearch),
        makes_first_partition_(parts_.step->uses_partitions() && state.partitions.empty()) {
    for (const auto& parameter : state.model->parameters()) weights_ += 4. * parameter.numel();
  }

  void try_out() {
    if (parts_.step->uses_partitions() && state_.partitions.empty())
      state_.partitions.add(core::to_device(random_logits(samples()), device_));
    try_steps();
    try_embedding();
    if (searches_) try_pass();
  }

  void say_memory() const;
  void say_time() const;
  // False where the folder is another run's.
  bool say_files(const fs::path& folder) const;

 private:
  int64_t samples() const { return sets_.train->size(); }
  torch::Tensor random_logits(int64_t size) const {
    return partition::random_logits(size, config_.maximize.num_env, config_.train.seed, 0);
  }
  void try_steps();
  void try_embedding();
  void try_pass();
  int64_t steps_per_epoch() const { return samples() / config_.train.batch_size; }
  // After which searches, evaluations and models are made: --max_steps ends a run with a step.
  int64_t whole_epochs() const {
    const int64_t most = config_.train.max_steps;
    if (most <= 0 || most >= config_.train.epochs * steps_per_epoch()) return config_.train.epochs;
    return (most - 1) / steps_per_epoch();
  }
  // Partitions after the first, which is made before epoch 1.
  int64_t later_partitions() const {
    return parts_.step->uses_partitions() ? whole_epochs() / config_.train.maximize_iter : 0;
  }
  int64_t evaluations() const {
    return parts_.evaluations.empty() ? 0 : whole_epochs() / config_.train.eval_every;
  }
  int64_t kept_partitions() const {
    const int64_t all = later_partitions() + 1;
    if (!config_.train.retain_group) return 1;
    return config_.train.retain_group_set > 0 ? std::min(all, config_.train.retain_group_set) : all;
  }
  // Seconds of a search at most, and of an evaluation.
  double search_seconds() const {
    const double embedding = 2. * static_cast<double>(samples()) * costs_.image;
    const auto passes = static_cast<double>(config_.maximize.passes);
    return config_.maximize.offline ? embedding + passes * costs_.pass
                                    : passes * (embedding + costs_.pass);
  }
  double evaluation_seconds() const {
    return costs_.image * static_cast<double>(sets_.labelled->size() + sets_.test->size());
  }
  double logits_bytes() const {
    return 4. * static_cast<double>(samples() * config_.maximize.num_env);
  }

  const config::TrainConfig& config_;
  const data::DataSets& sets_;
  const train::ViewSource& views_;
  train::RunState& state_;
  torch::Device device_;
  train::TrainerParts parts_;
  bool searches_, makes_first_partition_;
  double weights_ = 0;  // bytes
  Costs costs_;
};

void DryRun::try_steps() {
  std::vector<int64_t> order(static_cast<size_t>(samples()));
  std::iota(order.begin(), order.end(), 0);
  core::forget_peak_resident_bytes();
  core::forget_peak(device_);
  const auto before = core::resident_bytes();
  auto loader = train::two_view_loader(views_, core::Purpose::kTrainView, 1, order,
                                       config_.train.batch_size, /*drop_last=*/true);
  const train::Plan plan(config_.train);
  const int64_t most = std::min(kMostSteps, steps_per_epoch());
  core::Progress progress("trying steps", most, "steps");
  std::vector<double> took;
  for (double all = 0; std::ssize(took) < most && all < kPatience && !core::interrupted();) {
    const auto n = std::ssize(took);
    took.push_back(seconds_of([&] {
      const auto batch = loader.next();
      TORCH_INTERNAL_ASSERT(batch);
      const int64_t start = n * config_.train.batch_size;
      train::StepInput input{.view1 = core::to_device(batch->views[0], device_),
                             .view2 = core::to_device(batch->views[1], device_),
                             .penalty_weight = plan.penalty_weight(1),
                             .epoch = 1,
                             .step = static_cast<uint64_t>(n)};
      if (parts_.step->uses_partitions()) {
        input.environment =
            state_.partitions.environments(torch::arange(start, start + config_.train.batch_size));
      }
      // Reading the loss waits for the device.
      parts_.step->run(state_.model, state_.adam, input).front().value.item<double>();
    }));
    all += took.back();
    progress.update(n + 1);
  }
  // The first steps warm up, and find batches that were made while the run began.
  const auto counted = took.begin() + std::ssize(took) / 2;
  if (counted == took.end()) return;  // interrupted
  costs_.step =
      std::accumulate(counted, took.end(), 0.) / static_cast<double>(took.end() - counted);
  // Weights and moments were there before the first step, gradients were not.
  if (const auto held = core::held_bytes(device_))
    costs_.activations = std::max(0., held->peak - 4 * weights_);
  else if (device_.is_cpu())
    costs_.activations =
        std::max(0., static_cast<double>(core::peak_resident_bytes() - before) - weights_);
}

void DryRun::try_embedding() {
  train::ViewSource some = views_;
  some.set =
      std::make_shared<data::Subset>(data::spread_subset(views_.set, 2 * config_.train.batch_size));
  auto options = config_.maximize;
  options.mixup = false;
  const double seconds = seconds_of([&] {
    const auto bank = train::embed_views(state_.model, some, options, 0, config_.train.batch_size,
                                         config_.train.bf16);
    if (bank.z1.defined()) bank.z1.sum().item<double>();  // waits for the device
  });
  costs_.image = seconds / static_cast<double>(2 * some.set->size());
}

// A batch's part of a pass grows with its square: a batch of the whole set is tried at a part of
// it.
void DryRun::try_pass() {
  constexpr int64_t kLargest = 4096;
  const int64_t batch = config_.maximize.batch_size == 0
                            ? samples()
                            : std::min(samples(), config_.maximize.batch_size);
  const int64_t tried = std::min(batch, kLargest);
  const auto features = [&] {
    const auto z = at::randn({tried, config_.model.feature_dim}, torch::kFloat32);
    return core::to_device(z / z.norm(2, 1, /*keepdim=*/true), device_);
  };
  auto options = config_.maximize;
  options.mixup = false;
  options.passes = 3;
  partition::BankSource source(features(), features(), 0, /*shuffle=*/false, 0, 0);
  auto last = std::chrono::steady_clock::now();
  partition::maximize(
      source, core::to_device(random_logits(tried), device_), options,
      [] { return core::interrupted(); },
      [&](const partition::PassReport&) {
        const auto now = std::chrono::steady_clock::now();
        costs_.pass = std::chrono::duration<double>(now - last).count();
        last = now;
      });
  const auto ratio = static_cast<double>(batch) / static_cast<double>(tried);
  costs_.pass *= ratio * ratio * static_cast<double>(samples()) / static_cast<double>(batch);
}

void DryRun::say_memory() const {
  const auto line = [](const char* what, double bytes) {
    core::log_info(core::cat("  ", what, "  ", megabytes(bytes)));
  };
  core::log_info("memory");
  line("weights, gradients and Adam's moments", 4 * weights_);
  if (costs_.activations >= 0) line("what a step holds beside them, about", costs_.activations);
  const double rows = static_cast<double>(samples());
  if (searches_ && config_.maximize.offline)
    line("features of a search", 8. * rows * static_cast<double>(config_.model.feature_dim));
  if (searches_) line("logits and moments of a search", 4 * logits_bytes());
  if (parts_.step->uses_partitions())
    line("kept partitions at the end", static_cast<double>(kept_partitions()) * logits_bytes());
  if (!parts_.evaluations.empty()) {
    line("features of an evaluation",
         4. * static_cast<double>(sets_.labelled->size() + sets_.test->size()) *
             static_cast<double>(eval::feature_width(state_.model, eval::FeatureKind::kH)));
  }
  if (device_.is_cpu())
    line("this process at its peak so far", static_cast<double>(core::peak_resident_bytes()));
}

void DryRun::say_time() const {
  const int64_t steps = steps_per_epoch();
  train::TimeLeft left(config_.train, steps, later_partitions() > 0, evaluations() > 0);
  left.steps(1, costs_.step);
  left.search(searches_ ? search_seconds() : 0);
  if (evaluations() > 0) left.evaluation(evaluation_seconds());
  core::log_info("time");
  core::log_info(
      core::cat("  a step  ", core::with_digits(costs_.step, 3), " s (",
                core::with_digits(static_cast<double>(config_.train.batch_size) / costs_.step, 0),
                " samples/s); an epoch of ", steps, "  ",
                core::human_duration(costs_.step * static_cast<double>(steps))));
  if (searches_) {
    core::log_info(core::cat("  a search  at most ", core::human_duration(search_seconds()), ", ",
                             later_partitions() + makes_first_partition_, " of them",
                             config_.maximize.mixup ? "; tried without --mixup_max, with which "
                                                      "it takes longer"
                                                    : ""));
  }
  if (evaluations() > 0) {
    core::log_info(
        core::cat("  a kNN evaluation  about ", core::human_duration(evaluation_seconds()), ", ",
                  evaluations(), " of them",
                  parts_.evaluations.size() > 1 ? "; what --eval adds is not tried" : ""));
  }
  const double first = searches_ && makes_first_partition_ ? search_seconds() : 0;
  core::log_info(
      core::cat("  the run  about ", core::human_duration(left.at({})->seconds + first)));
}

bool DryRun::say_files(const fs::path& folder) const {
  const auto& train = config_.train;
  const int64_t epochs = whole_epochs();
  const bool ends = epochs == train.epochs;  // not by --max_steps
  const int64_t models = epochs / train.save_every + (ends && epochs % train.save_every != 0);
  core::log_info("files in " + folder.string());
  core::log_info(core::cat("  config.yaml, log.txt, metrics.jsonl, knn_result.txt",
                           sets_.train->name(0).empty() ? "" : ", samples.csv"));
  core::log_info(core::cat("  model_E.pt  ", models, " of ", megabytes(weights_)));
  const double partitions = static_cast<double>(kept_partitions()) * logits_bytes();
  core::log_info("  state.pt, state_previous.pt  about " +
                 megabytes(3 * weights_ + (parts_.step->uses_partitions() ? partitions : 0)) +
                 " each");
  if (parts_.step->uses_partitions()) {
    core::log_info(core::cat("  GroupResults_E.npy  ", later_partitions() + makes_first_partition_,
                             " of ", megabytes(logits_bytes()), ", each with its .data"));
  }
  if (config_.tensorboard) core::log_info("  events.out.tfevents.*, projector_*");
  std::error_code error;
  if (fs::exists(folder / "config.yaml", error) && !config_.overwrite && !config_.resume) {
    core::log_warning(core::cat(folder.string(), " holds a run already: it would be refused ",
                                "without --resume, --overwrite or another --name"));
    return false;
  }
  return true;
}

// The settings that differ from the defaults, a line each.
void say_settings(const config::TrainConfig& config) {
  core::log_info("settings that differ from the defaults");
  for (const auto& [name, value, is_default] : settings_of(config))
    if (!is_default) core::log_info("  " + name + ": " + value);
}

}  // namespace

bool say_what_a_run_takes(const config::TrainConfig& config, const data::DataSets& sets,
                          const train::ViewSource& views, train::RunState& state,
                          torch::Device device, const fs::path& folder) {
  say_settings(config);
  DryRun run(config, sets, views, state, device);
  run.try_out();
  if (core::interrupted()) return false;
  run.say_memory();
  run.say_time();
  const bool starts = run.say_files(folder);
  core::log_info(
      core::cat("nothing was written", starts ? "; without --dry_run this run starts" : ""));
  return true;
}

}  // namespace ipirm::app

// Composes one maximization: device, features, search, files.
#include "ipirm/app/partition_app.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/features.h"
#include "app/outputs.h"
#include "app/processes.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/observe/console.h"
#include "ipirm/observe/metrics_lines.h"
#include "ipirm/observe/reference_texts.h"
#include "ipirm/partition/maximizer.h"
#include "ipirm/partition/partition_set.h"
#include "ipirm/train/search_team.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using core::cat;
using core::UserError;

constexpr int64_t kEpoch = 0;  // events and random draws are those of a run's first maximization

double seconds_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

fs::path metrics_path(const config::PartitionConfig& config) {
  return config.out + ".metrics.jsonl";
}

// Refuses files that cannot or must not be written, before hours are spent on their content.
void check_out(const config::PartitionConfig& config) {
  check_outputs({config.out, metrics_path(config)}, {config.view1, config.view2},
                "a file of the features", config.overwrite);
  try_output(metrics_path(config));  // the longer of the two names
}

void check_num_env(const config::PartitionConfig& config, int64_t num_samples) {
  if (config.maximize.num_env <= num_samples) return;
  throw UserError(cat("--env_num ", config.maximize.num_env, ": ", config.view1, " holds only ",
                      num_samples, " samples; choose at most that many"));
}

// In a fixed order, a last batch of one sample is always the same one.
void warn_of_lone_sample(const partition::MaximizeOptions& options, int64_t num_samples) {
  if (options.shuffle || options.batch_size == 0 || num_samples < options.batch_size) return;
  if (num_samples % options.batch_size != 1) return;
  core::log_warning(cat("--no_shuffle: the last sample, alone in its batch, has no negatives and ",
                        "keeps its first logits; choose another --maximize_batch than ",
                        options.batch_size));
}

// Moves the progress line on with each batch that the search takes: a pass may be long.
class WatchedBank : public partition::BankSource {
 public:
  WatchedBank(const Features& features, const partition::MaximizeOptions& options,
              torch::Device device)
      : BankSource(features.z1.to(device), features.z2.to(device), options.batch_size,
                   options.shuffle, options.seed, kEpoch),
        progress_("maximization", options.passes * batches_per_pass(), "batches") {}

  std::optional<partition::FeatureBatch> next() override {
    progress_.update(taken_);
    auto batch = BankSource::next();
    if (batch) ++taken_;
    return batch;
  }

 private:
  core::Progress progress_;
  int64_t taken_ = 0;
};

torch::Tensor first_logits(const config::PartitionConfig& config, const torch::Tensor& z) {
  const auto& options = config.maximize;
  if (!config.init.empty())
    return read_logits(config.init, z.size(0), options.num_env, z.scalar_type());
  return partition::random_logits(z.size(0), options.num_env, options.seed, kEpoch)
      .to(z.scalar_type());
}

// Throws UserError where ranks were given other settings, features or first logits.
void check_alike(dist::Group& group, const config::PartitionConfig& config,
                 const Features& features, const torch::Tensor& initial) {
  if (group.is_alone()) return;
  check_processes_alike(group, to_yaml(config),
                        {{"features of the first view", dist::content_text(features.z1)},
                         {"features of the second view", dist::content_text(features.z2)},
                         {"first logits", dist::content_text(initial)}});
}

// The search, told to `observer` pass by pass.
partition::Maximization search(partition::BankSource& bank, const torch::Tensor& initial,
                               const partition::MaximizeOptions& options,
                               const std::shared_ptr<dist::Group>& group,
                               train::Observer& observer) {
  auto before = Clock::now();
  auto state = partition::new_search(initial);
  try {
    return partition::maximize(
        bank, state, options, [&] { return group->agreement().stop(); },
        [&](const partition::PassReport& pass) {
          dist::check_same(*group, state.logits, cat("the logits after pass ", pass.pass));
          const auto now = Clock::now();
          observer.maximize_pass({kEpoch, pass, seconds_between(before, now)});
          before = now;
        },
        train::team_of(group));
  } catch (const partition::NotFiniteError& error) {
    throw std::runtime_error(cat("maximization, ", error.what(),
                                 "; try rows of length 1, a higher --temperature or a smaller "
                                 "--maximize_lr; nothing was written"));
  }
}

}  // namespace

int run_partition(const config::PartitionConfig& config) {
  const auto launch = introduce(config.log_level);
  const auto device = choose_device(own_device(config.device, launch));
  const auto group = join(launch, device, config.dist_timeout);
  const int code = run_partition_on(device, config, group);
  leave(*group);
  return code;
}

int run_partition_on(torch::Device device, const config::PartitionConfig& config,
                     const std::shared_ptr<dist::Group>& group) {
  // This program names the row and its file where lengths are not 1; the operator need not.
  setenv("IPIRM_NO_NORM_WARNING", "1", /*overwrite=*/0);
  for (const auto& warning : config.warnings) core::log_warning(warning);
  const auto start = Clock::now();
  const auto& options = config.maximize;
  if (group->is_first()) check_out(config);
  core::check_threads(at::get_num_threads());
  set_arithmetic(device, {.deterministic = config.deterministic});
  auto features = read_features(config.view1, config.view2);
  const auto num_samples = features.z1.size(0);
  check_num_env(config, num_samples);
  auto initial = first_logits(config, features.z1);
  check_alike(*group, config, features, initial);
  initial = initial.to(device);

  if (!features.warning.empty()) core::log_warning(features.warning);
  warn_of_lone_sample(options, num_samples);
  core::log_info(cat("ipirm-partition ", core::version(), "  ", describe(device), ", ",
                     initial.scalar_type() == torch::kFloat64 ? "float64" : "float32"));
  core::log_info(cat(config.view1, ", ", config.view2, "  ", num_samples, " samples of width ",
                     features.z1.size(1), "  ", options.num_env, " environments"));
  if (!group->is_alone()) core::log_info(cat(group->size(), " processes"));

  WatchedBank bank(features, options, device);
  features = {};
  // The events become a file at the end, when the partition does.
  std::string events;
  const auto metrics = std::make_shared<observe::MetricsLines>(
      [&](const std::string& event) { events += event + '\n'; });
  train::Observers observers(
      {metrics, std::make_shared<observe::Console>(observe::ConsoleOptions{.passes = true})});
  auto result = search(bank, initial, options, group, observers);
  if (result.interrupted) {
    core::log_info(cat("stopped; nothing was written to ", config.out));
    return kExitInterrupted;
  }
  const auto sizes = partition::environment_sizes(result.logits);
  const auto judgement =
      partition::judge(result.logits, {}, config.init.empty() ? torch::Tensor() : initial);
  const double seconds = seconds_between(start, Clock::now());
  const train::MaximizeRecord record{.epoch = kEpoch,
                                     .result = std::move(result),
                                     .sizes = sizes,
                                     .judgement = judgement,
                                     .seconds = seconds};
  metrics->maximize(record);
  if (group->is_first()) {
    checkpoint::write_npy(config.out, record.result.logits);
    core::write_atomically(metrics_path(config), events);
  }
  core::log_info(observe::maximize_summary(record));
  core::log_info("the partition: " + observe::to_text(record.judgement));
  core::log_info(cat("done in ", core::human_duration(seconds), "  ", config.out));
  return kExitOk;
}

}  // namespace ipirm::app

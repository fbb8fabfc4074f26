// The training loop.
#include "ipirm/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/train/maximize_events.h"

namespace ipirm::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

void check_batch_size(int64_t batch_size, int64_t set_size) {
  if (batch_size <= set_size) return;
  throw core::UserError(core::cat("--batch_size ", batch_size, ": the training set has only ",
                                  set_size, " images; choose at most that many"));
}

Trainer::Trainer(const TrainerOptions& options, std::unique_ptr<Step> step, data::DataSets sets,
                 ViewSource views, RunState& state, RunFolder& folder, torch::Device device)
    : options_(options),
      plan_(options.train),
      step_(std::move(step)),
      sets_(std::move(sets)),
      views_(std::move(views)),
      state_(state),
      folder_(folder),
      device_(device),
      steps_per_epoch_(sets_.train->size() / options.train.batch_size),
      history_(std::clamp<int64_t>(steps_per_epoch_, 1, options.train.log_every), device) {
  check_batch_size(options.train.batch_size, sets_.train->size());
  for (const auto& logits : state_.partitions.logits()) {
    if (logits.size(0) == sets_.train->size() && logits.size(1) == options.maximize.num_env)
      continue;
    throw core::UserError(core::cat("a partition of shape ", logits.sizes(),
                                    " does not fit the training set of ", sets_.train->size(),
                                    " images and --env_num ", options.maximize.num_env,
                                    "; the data under --data_root are not those it was made for"));
  }
}

bool Trainer::run() {
  auto& at = state_.position;
  const int64_t epochs = options_.train.epochs;
  try {
    if (step_->uses_partitions() && state_.partitions.empty() && !maximize(0)) return stopped();
    while (at.epoch <= epochs) {
      const int64_t epoch = at.epoch;
      if (at.phase == Phase::kMinimize && !minimize_epoch(epoch)) return stopped();
      if (at.phase == Phase::kMaximize) {
        if (step_->uses_partitions() && plan_.maximize_due(epoch) && !maximize(epoch))
          return stopped();
        at.phase = Phase::kEvaluate;
      }
      if (plan_.evaluate_due(epoch) && !evaluate(epoch)) return stopped();
      at = {epoch + 1, Phase::kMinimize, 0, at.total_steps, 0};
      if (plan_.checkpoint_due(epoch)) checkpoint(epoch);
    }
    folder_.finish();
  } catch (const DivergedError&) {
    throw;
  } catch (const core::WriteError& error) {
    // The files lack what the state in memory takes for written, so that it is not saved. A save
    // that is still under way knows no more than they hold.
    try {
      folder_.finish();
    } catch (const std::exception& of_the_save) {
      core::log_debug(of_the_save.what());
    }
    throw core::WriteError(
        core::cat(error.what(), RunFolder::holds_state(folder_.path())
                                    ? "; the newest saved state is kept: go on with --resume"
                                    : "; no state has been saved yet: --resume starts anew"));
  } catch (...) {
    save_what_is_left();
    throw;
  }
  return true;
}

bool Trainer::minimize_epoch(int64_t epoch) {
  auto& at = state_.position;
  const auto& train = options_.train;
  std::vector<int64_t> order(static_cast<size_t>(sets_.train->size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (train.shuffle) {
    order = core::permutation(
        core::KeyedRandom(train.seed, core::Purpose::kTrainOrder, static_cast<uint64_t>(epoch)),
        sets_.train->size());
  }
  auto loader = two_view_loader(views_, core::Purpose::kTrainView, static_cast<uint64_t>(epoch),
                                std::move(order), train.batch_size, /*drop_last=*/true, at.step);
  const int64_t first_step = at.step;
  core::Progress progress(core::cat("epoch ", epoch, "/", train.epochs),
                          (steps_per_epoch_ - at.step) * train.batch_size, "samples");
  const double weight = plan_.penalty_weight(epoch);
  const auto start = Clock::now();
  last_read_ = start;

  while (const auto batch = core::interrupted() || out_of_steps() ? std::nullopt : loader.next()) {
    in_step_ = true;
    history_.add(step_->run(
        state_.model, state_.adam,
        {.view1 = batch->views[0].to(device_, /*non_blocking=*/true),
         .view2 = batch->views[1].to(device_, /*non_blocking=*/true),
         .environment = step_->uses_partitions() ? state_.partitions.environments(batch->index)
                                                 : torch::Tensor(),
         .penalty_weight = weight,
         .epoch = static_cast<uint64_t>(epoch),
         .step = static_cast<uint64_t>(at.step)}));
    in_step_ = false;
    ++at.step;
    ++at.total_steps;
    if (at.step % train.log_every == 1 || train.log_every == 1) {
      write_steps();
      folder_.log_step(last_step_, at.loss_sum / static_cast<double>(at.step), train.epochs,
                       at.step * train.batch_size, sets_.train->size());
    }
    save_if_due();
    progress.update((at.step - first_step) * train.batch_size,
                    last_step_.step > 0 ? "loss " + fixed(last_step_.loss, 4) : "");
  }
  write_steps();
  if (at.step < steps_per_epoch_) return false;  // interrupted or out of steps

  const double seconds = seconds_since(start),
               mean = at.loss_sum / static_cast<double>(steps_per_epoch_);
  const double rate = static_cast<double>((at.step - first_step) * train.batch_size) / seconds;
  folder_.epoch(epoch, mean, seconds, rate);
  core::log_info(core::cat("epoch ", epoch, "/", train.epochs, "  loss ", fixed(mean, 4), "  ",
                           fixed(rate, 0), " samples/s"));
  at.phase = Phase::kMaximize;
  return !out_of_steps() ||
         epoch == train.epochs;  // at the end of the run its last search and evaluation are made
}

void Trainer::save_if_due() {
  const double minutes = options_.train.save_minutes;
  if (minutes <= 0 || seconds_since(last_save_) < 60 * minutes) return;
  write_steps();
  folder_.save_state(state_);
  last_save_ = Clock::now();
}

void Trainer::write_steps() {
  const auto steps = history_.take();
  if (steps.empty()) return;
  auto& at = state_.position;
  const auto count = static_cast<int64_t>(steps.size());
  const double seconds = seconds_since(last_read_) / static_cast<double>(count);
  last_read_ = Clock::now();
  int64_t number = at.total_steps - count;
  for (const auto& [loss, contrastive, penalty, batch] : steps) {
    last_step_ = {at.epoch,
                  ++number,
                  loss,
                  contrastive,
                  penalty,
                  batch,
                  state_.adam.lr(),
                  plan_.penalty_weight(at.epoch),
                  seconds};
    folder_.step(last_step_);
    at.loss_sum += loss;
    if (!std::isfinite(loss)) {
      throw diverged(core::cat("epoch ", at.epoch, ", step ", number, ": the loss is ", loss,
                               " (contrastive ", contrastive, ", penalty ", penalty, ", batch ",
                               batch, ", lr ", last_step_.lr, ")"));
    }
  }
}

bool Trainer::maximize(int64_t epoch) {
  const auto& options = options_.maximize;
  const auto start = Clock::now();
  const auto number = static_cast<uint64_t>(epoch);
  const int64_t n = sets_.train->size(), chunk = options_.train.batch_size;
  std::unique_ptr<partition::FeatureSource> source;
  if (options.offline) {
    auto bank = embed_views(state_.model, views_, options, number, chunk, options_.train.bf16);
    if (core::interrupted()) return false;
    source = std::make_unique<partition::BankSource>(
        bank.z1, bank.z2, options.batch_size, options.shuffle, options.seed, number, bank.lam);
  } else {
    source = std::make_unique<OnlineSource>(state_.model, views_, options, number, chunk,
                                            options_.train.bf16);
  }
  auto& search = state_.search;  // of an earlier call, if that was stopped
  if (!search) {
    const bool fresh = options.random_init || state_.partitions.empty();
    search = partition::new_search(
        fresh ? partition::random_logits(n, options.num_env, options.seed, number).to(device_)
              : state_.partitions.newest());
  }
  core::Progress progress(core::cat("maximization ", epoch), options.passes, "passes");
  partition::Maximization result;
  try {
    result = partition::maximize(
        *source, *search, options, [] { return core::interrupted(); },
        [&](const partition::PassReport& pass) {
          folder_.maximize_pass(epoch, pass);
          progress.update(pass.pass + 1, core::cat("risk ", fixed(pass.risk, 4), ", best ",
                                                   fixed(pass.best_risk, 4)));
          save_if_due();
        });
  } catch (const partition::NotFiniteError& error) {
    throw diverged(core::cat("maximization of epoch ", epoch, ", ", error.what()));
  }
  if (result.interrupted) return false;
  const auto sizes = partition::environment_sizes(result.logits);
  in_step_ = true;  // until the files know of it, no state may hold this partition
  search.reset();
  state_.partitions.add(result.logits);
  folder_.save_partition(epoch, result.logits, state_.data);
  folder_.maximize(epoch, result, sizes, seconds_since(start));
  in_step_ = false;
  core::log_info(core::cat("maximization after epoch ", epoch, "  ",
                           maximize_summary(result, sizes), "  ",
                           core::human_duration(seconds_since(start))));
  return true;
}

bool Trainer::evaluate(int64_t epoch) {
  if (!sets_.test) return true;
  torch::NoGradGuard no_grad;
  const eval::RunOptions run{device_, options_.train.bf16, views_.loader, options_.train.batch_size,
                             views_.augment.crop_size};
  const auto bank = eval::embed_test_views(state_.model, *sets_.labelled, run, "kNN memory");
  const auto queries = eval::embed_test_views(state_.model, *sets_.test, run, "kNN queries");
  if (core::interrupted()) return false;
  const auto& factors = sets_.labelled->factors();
  std::vector<eval::Accuracy> accuracies;  // all first: a failure may leave no line to be doubled
  for (size_t f = 0; f < factors.size(); ++f) {
    const auto values = [&](const data::ImageSet& set) {
      return torch::tensor(set.factors()[f].values, torch::kInt64).to(device_);
    };
    const auto scores = eval::knn_scores(queries, bank, values(*sets_.labelled),
                                         factors[f].num_values, options_.knn);
    accuracies.push_back(eval::accuracy(scores, values(*sets_.test)));
  }
  for (size_t f = 0; f < factors.size(); ++f)
    folder_.knn(epoch, factors[f].name, f == 0, accuracies[f].top1, accuracies[f].top5);
  return true;
}

void Trainer::checkpoint(int64_t epoch) {
  folder_.save_state(state_, epoch);
  last_save_ = Clock::now();
}

bool Trainer::stopped() {
  const auto& at = state_.position;
  folder_.save_state(state_, out_of_steps() ? std::optional(at.epoch) : std::nullopt);
  folder_.finish();
  const char* const next[] = {"minimization", "maximization", "evaluation"};
  core::log_info(core::cat(
      "stopped in epoch ", at.epoch, " after step ", at.step, "/", steps_per_epoch_, " (next: ",
      state_.partitions.empty() && step_->uses_partitions() ? "first maximization"
                                                            : next[static_cast<int>(at.phase)],
      "); the state is saved: go on with --resume"));
  return false;
}

void Trainer::save_what_is_left() {
  try {
    if (in_step_) return folder_.finish();
    write_steps();
    const auto& at = state_.position;
    const bool epoch_done = at.epoch > 1 && at.phase == Phase::kMinimize && at.step == 0;
    folder_.save_state(state_, epoch_done && plan_.checkpoint_due(at.epoch - 1)
                                   ? std::optional(at.epoch - 1)
                                   : std::nullopt);
    folder_.finish();
  } catch (const std::exception& error) {  // the failure that is under way is the error to report
    core::log_warning(
        core::cat("the state of this moment could not be saved: ", core::first_line(error)));
  }
}

DivergedError Trainer::diverged(const std::string& what) {
  std::string where = "the state is in " + (folder_.path() / "failed_state.pt").string();
  try {
    folder_.save_failed_state(state_);
  } catch (const core::WriteError& error) {
    where = core::cat("its state could not be saved (", error.what(), ")");
  }
  return DivergedError(core::cat(
      what, "; ", where, "; try a smaller --lr, a higher --temperature or --precision fp32"));
}

}  // namespace ipirm::train

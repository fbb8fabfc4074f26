// The training loop.
#include "ipirm/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"
#include "ipirm/dist/collect.h"
#include "train/memory_estimate.h"

namespace ipirm::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void check_batch_size(int64_t batch_size, int64_t set_size) {
  if (batch_size <= set_size) return;
  throw core::UserError(core::cat("--batch_size ", batch_size, ": the training set has only ",
                                  set_size, " images; choose at most that many"));
}

Trainer::Trainer(const TrainOptions& options, int64_t num_env, TrainerParts parts, ViewSource views,
                 RunState& state, StateStore& store, torch::Device device)
    : options_(options),
      plan_(options),
      step_(std::move(parts.step)),
      source_(std::move(parts.source)),
      evaluations_(std::move(parts.evaluations)),
      observers_(std::move(parts.observers)),
      views_(std::move(views)),
      state_(state),
      store_(store),
      device_(device),
      copies_(device),
      steps_per_epoch_(set_size() / options.batch_size),
      history_(std::clamp<int64_t>(steps_per_epoch_, 1, options.log_every), device),
      time_left_(options, steps_per_epoch_, step_->uses_partitions(), !evaluations_.empty()) {
  check_batch_size(options.batch_size, set_size());
  for (const auto& factor : views_.set->factors())
    factors_.push_back({factor.name, torch::tensor(factor.values, torch::kInt64)});
  for (const auto& logits : state_.partitions.logits()) {
    if (logits.size(0) == set_size() && logits.size(1) == num_env) continue;
    throw core::UserError(core::cat("a partition of shape ", logits.sizes(),
                                    " does not fit the training set of ", set_size(),
                                    " images and --env_num ", num_env,
                                    "; the data under --data_root are not those it was made for"));
  }
}

bool Trainer::run() {
  try {
    if (!run_epochs()) return stopped();
    store_.finish();
    return true;
  } catch (const DivergedError&) {
    throw;
  } catch (const core::WriteError& error) {
    report_write_error(error.what());
  } catch (...) {
    save_what_is_left();
    throw;
  }
}

bool Trainer::run_epochs() {
  auto& position = state_.position;
  if (step_->uses_partitions() && state_.partitions.empty() && !maximize(0)) return false;
  while (position.epoch <= options_.epochs) {
    const int64_t epoch = position.epoch;
    if (position.phase == Phase::kMinimize) {
      if (!minimize(epoch)) return false;
      position.phase = Phase::kMaximize;
      // At the end of the run its last search and evaluation are still made.
      if (out_of_steps() && epoch < options_.epochs) return false;
    }
    if (position.phase == Phase::kMaximize) {
      if (step_->uses_partitions() && plan_.maximize_due(epoch) && !maximize(epoch)) return false;
      position.phase = Phase::kEvaluate;
    }
    if (plan_.evaluate_due(epoch) && !evaluate(epoch)) return false;
    position = {epoch + 1, Phase::kMinimize, 0, position.total_steps, 0};
    if (plan_.checkpoint_due(epoch)) checkpoint(epoch);
  }
  return true;
}

bool Trainer::minimize(int64_t epoch) {
  auto& position = state_.position;
  const int64_t first_step = position.step;
  const auto samples = [&] { return (position.step - first_step) * options_.batch_size; };
  const auto order = order_of(epoch);
  auto loader = batches_of(epoch, order);
  core::Progress progress(core::cat("epoch ", epoch, "/", options_.epochs),
                          (steps_per_epoch_ - first_step) * options_.batch_size, "samples");
  const auto start = Clock::now();
  last_read_ = start;
  while (const auto batch =
             group().agreement().stop() || out_of_steps() ? std::nullopt : loader.next()) {
    state_is_half_changed_ = true;
    try {
      history_.add(step_->run(state_.model, state_.adam, step_input(*batch, order)));
    } catch (const std::exception& error) {
      if (core::tells_of_device_memory(error)) suggest_batch_size(batch->views[0].sizes());
      throw;
    }
    ++position.step;
    ++position.total_steps;
    state_is_half_changed_ = false;
    if (plan_.log_due(position.step)) report_steps();
    save_if_due();
    if (progress.due()) progress.update(samples(), progress_text());
  }
  report_steps();
  if (position.step < steps_per_epoch_) return false;
  report_epoch(epoch, samples(), seconds_since(start));
  return true;
}

torch::Tensor Trainer::order_of(int64_t epoch) const {
  if (!options_.shuffle) return torch::arange(set_size());
  return torch::tensor(
      core::permutation(core::KeyedRandom(options_.seed, core::Purpose::kTrainOrder,
                                          static_cast<uint64_t>(epoch)),
                        set_size()),
      torch::kInt64);
}

data::Loader Trainer::batches_of(int64_t epoch, const torch::Tensor& order) const {
  const auto* first = order.const_data_ptr<int64_t>();
  return two_view_loader(views_, core::Purpose::kTrainView, static_cast<uint64_t>(epoch),
                         {first, first + order.numel()}, options_.batch_size, /*drop_last=*/true,
                         state_.position.step);
}

StepInput Trainer::step_input(const data::Batch& own, const torch::Tensor& order) const {
  const auto& position = state_.position;
  const int64_t start = position.step * options_.batch_size;
  const auto whole_batch = order.slice(0, start, start + options_.batch_size);
  return {.view1 = copies_.to_device(own.views[0]),
          .view2 = copies_.to_device(own.views[1]),
          .environment = step_->uses_partitions() ? state_.partitions.environments(whole_batch)
                                                  : torch::Tensor(),
          .penalty_weight = plan_.penalty_weight(position.epoch),
          .epoch = static_cast<uint64_t>(position.epoch),
          .step = static_cast<uint64_t>(position.step)};
}

std::string Trainer::progress_text() const {
  std::string text;
  if (const auto left = time_left_.at(state_.position)) text = "run " + to_text(*left);
  if (!last_step_.terms.empty()) text += "  loss " + core::with_digits(last_step_.loss(), 4);
  return last_evaluation_.empty() ? text : text + "  " + last_evaluation_;
}

void Trainer::share_statistics() { dist::broadcast(group(), state_.model->buffers()); }

void Trainer::suggest_batch_size(torch::IntArrayRef view) {
  if (!group().is_alone()) return;  // the others wait in a step of their own
  const auto fits = batch_that_fits(device_, [&](int64_t n) {
    const auto images = torch::zeros({n, view[1], view[2], view[3]}, torch::TensorOptions(device_))
                            .contiguous(torch::MemoryFormat::ChannelsLast);
    StepInput input{.view1 = images, .view2 = images};
    if (step_->uses_partitions())
      input.environment = state_.partitions.environments(torch::arange(n) % set_size());
    step_->run(state_.model, state_.adam, input);
  });
  if (fits && *fits < options_.batch_size) {
    observers_.message(core::cat("the device's memory does not hold a step of ",
                                 options_.batch_size, " images; about ", *fits,
                                 " would fit: --batch_size ", *fits));
  }
}

void Trainer::report_steps() {
  auto steps = history_.take();
  if (steps.empty()) return;
  auto& position = state_.position;
  const auto count = static_cast<int64_t>(steps.size());
  const double seconds = seconds_since(last_read_) / static_cast<double>(count);
  last_read_ = Clock::now();
  time_left_.steps(count, seconds * static_cast<double>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t in_epoch = position.step - count + 1 + i;
    last_step_ = {.epoch = position.epoch,
                  .epochs = options_.epochs,
                  .step = position.total_steps - count + 1 + i,
                  .log_due = plan_.log_due(in_epoch),
                  .seen = in_epoch * options_.batch_size,
                  .set_size = set_size(),
                  .terms = std::move(steps[static_cast<size_t>(i)]),
                  .lr = state_.adam.lr(),
                  .penalty_weight = plan_.penalty_weight(position.epoch),
                  .seconds = seconds};
    position.loss_sum += last_step_.loss();
    last_step_.mean_loss = position.loss_sum / static_cast<double>(in_epoch);
    observers_.step(last_step_);
    if (!std::isfinite(last_step_.loss())) {
      const core::NamedValues others(last_step_.terms.begin() + 1, last_step_.terms.end());
      throw diverged(core::cat("epoch ", position.epoch, ", step ", last_step_.step,
                               ": the loss is ", last_step_.loss(), " (", core::to_text(others),
                               ", lr: ", last_step_.lr, ")"));
    }
  }
}

void Trainer::report_epoch(int64_t epoch, int64_t samples, double seconds) {
  const auto left = time_left_.at(state_.position);
  observers_.epoch({.epoch = epoch,
                    .epochs = options_.epochs,
                    .mean_loss = state_.position.loss_sum / static_cast<double>(steps_per_epoch_),
                    .seconds = seconds,
                    .samples_per_second = static_cast<double>(samples) / seconds,
                    .time_left = left ? to_text(*left) : std::string()});
}

bool Trainer::maximize(int64_t epoch) {
  const auto start = Clock::now();
  auto pass_before = start;
  std::optional<partition::Maximization> result;
  share_statistics();
  try {
    result = source_->partition(state_, epoch, [&](const partition::PassReport& pass) {
      observers_.maximize_pass({epoch, pass, seconds_since(pass_before)});
      pass_before = Clock::now();
      save_if_due();
    });
  } catch (const partition::NotFiniteError& error) {
    throw diverged(core::cat("maximization of epoch ", epoch, ", ", error.what()));
  }
  if (!result) return false;
  state_is_half_changed_ = true;  // until the files know of it, no state may hold this partition
  state_.search.reset();
  const auto before = state_.partitions.empty() ? torch::Tensor() : state_.partitions.newest();
  state_.partitions.add(result->logits);
  MaximizeRecord record{.epoch = epoch,
                        .source = state_.source,
                        .result = std::move(*result),
                        .sizes = {},
                        .judgement = {},
                        .seconds = 0};
  record.sizes = partition::environment_sizes(record.result.logits);
  record.judgement = partition::judge(record.result.logits, factors_, before);
  record.seconds = seconds_since(start);
  time_left_.search(record.seconds);
  observers_.maximize(record);
  state_is_half_changed_ = false;
  return true;
}

bool Trainer::evaluate(int64_t epoch) {
  // All are made before any is reported: a failure may leave no line to be written twice.
  std::vector<EvaluationRecord> records;
  const auto start = Clock::now();
  share_statistics();
  for (const auto& evaluation : evaluations_) {
    auto results = evaluation->run(state_.model);
    if (!results) return false;
    for (auto& scores : *results)
      records.push_back({epoch, options_.epochs, evaluation->name(), std::move(scores)});
  }
  time_left_.evaluation(seconds_since(start));
  for (const auto& record : records) {
    observers_.evaluation(record);
    if (&record == &records.front() && !record.scores.scores.empty()) {
      last_evaluation_ = core::cat(record.evaluation, " ",
                                   core::with_digits(record.scores.scores.front().value, 2));
    }
  }
  return true;
}

void Trainer::save_if_due() {
  const double minutes = options_.save_minutes;
  if (!group().agreement().save(minutes > 0 && seconds_since(last_save_) >= 60 * minutes)) return;
  report_steps();
  store_.save();
  last_save_ = Clock::now();
}

void Trainer::checkpoint(int64_t epoch) {
  store_.save(epoch);
  last_save_ = Clock::now();
}

bool Trainer::stopped() {
  const auto& position = state_.position;
  store_.save(out_of_steps() ? std::optional(position.epoch) : std::nullopt);
  store_.finish();
  const char* const next[] = {"minimization", "maximization", "evaluation"};
  observers_.message(core::cat("stopped in epoch ", position.epoch, " after step ", position.step,
                               "/", steps_per_epoch_, " (next: ",
                               state_.partitions.empty() && step_->uses_partitions()
                                   ? "first maximization"
                                   : next[static_cast<int>(position.phase)],
                               "); the state is saved: go on with --resume"));
  return false;
}

void Trainer::report_write_error(const std::string& error) {
  // The files lack what the state in memory takes for written, so that it is not saved. A save that
  // is still under way knows no more than they hold.
  try {
    store_.finish();
  } catch (const std::exception& failed_save) {
    core::log_debug(failed_save.what());
  }
  throw core::WriteError(error + (store_.holds_state()
                                      ? "; the newest saved state is kept: go on with --resume"
                                      : "; no state has been saved yet: --resume starts anew"));
}

void Trainer::save_what_is_left() {
  try {
    if (state_is_half_changed_) return store_.finish();
    report_steps();
    const auto& position = state_.position;
    const bool epoch_done =
        position.epoch > 1 && position.phase == Phase::kMinimize && position.step == 0;
    store_.save(epoch_done && plan_.checkpoint_due(position.epoch - 1)
                    ? std::optional(position.epoch - 1)
                    : std::nullopt);
    store_.finish();
  } catch (const std::exception& error) {  // the failure that is under way is the error to report
    core::log_warning(
        core::cat("the state of this moment could not be saved: ", core::first_line(error)));
  }
}

DivergedError Trainer::diverged(const std::string& what) {
  std::string where;
  try {
    where = "the state is in " + store_.save_failed().string();
  } catch (const core::WriteError& error) {
    where = core::cat("its state could not be saved (", error.what(), ")");
  }
  return DivergedError(core::cat(
      what, "; ", where, "; try a smaller --lr, a higher --temperature or --precision fp32"));
}

}  // namespace ipirm::train

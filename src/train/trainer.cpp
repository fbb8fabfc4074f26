// The training loop.
#include "ipirm/train/trainer.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/train/minimize_step.h"

namespace ipirm::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

void check_batch_size(int64_t batch_size, int64_t set_size) {
  if (batch_size <= set_size) return;
  throw core::UserError(core::cat("--batch_size ", batch_size, ": the training set has only ", set_size,
                                  " images; choose at most that many"));
}

Trainer::Trainer(const TrainerOptions& options, data::DataSets sets, ViewSource views, RunState& state,
                 RunFolder& folder, torch::Device device)
    : options_(options),
      plan_(options.train),
      sets_(std::move(sets)),
      views_(std::move(views)),
      state_(state),
      folder_(folder),
      device_(device),
      steps_per_epoch_(sets_.train->size() / options.train.batch_size),
      history_(options.train.log_every, device) {
  check_batch_size(options.train.batch_size, sets_.train->size());
}

bool Trainer::run() {
  auto& at = state_.position;
  if (!options_.loss.baseline && state_.partitions.empty() && !maximize(0)) return false;
  while (at.epoch <= options_.train.epochs) {
    const int64_t epoch = at.epoch;
    if (!minimize_epoch(epoch)) return false;
    if (!options_.loss.baseline && plan_.maximize_due(epoch) && !maximize(epoch)) return false;
    if (plan_.evaluate_due(epoch)) evaluate(epoch);
    at = {epoch + 1, 0, at.total_steps};
    if (plan_.checkpoint_due(epoch)) checkpoint(epoch);
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
        core::KeyedRandom(train.seed, core::Purpose::kTrainOrder, static_cast<uint64_t>(epoch)), sets_.train->size());
  }
  auto loader = two_view_loader(views_, core::Purpose::kTrainView, static_cast<uint64_t>(epoch), std::move(order),
                                train.batch_size, /*drop_last=*/true, at.step);
  core::Progress progress(core::cat("epoch ", epoch, "/", train.epochs), (steps_per_epoch_ - at.step) * train.batch_size,
                          "samples");
  const double weight = plan_.penalty_weight(epoch);
  const auto start = Clock::now();
  auto last_line = start;
  const int64_t first_step = at.step;
  epoch_loss_ = 0;
  epoch_steps_ = 0;

  while (const auto batch = core::interrupted() || out_of_steps() ? std::nullopt : loader.next()) {
    const auto on_device = [&](const torch::Tensor& t) { return t.to(device_, /*non_blocking=*/true); };
    const auto environment =
        options_.loss.baseline ? torch::Tensor() : state_.partitions.environments(on_device(batch->index));
    history_.add(minimize_step(state_.model, state_.adam, on_device(batch->views[0]), on_device(batch->views[1]),
                               environment, weight, options_.loss, train.bf16));
    ++at.step;
    ++at.total_steps;
    if (history_.full() || at.step == steps_per_epoch_) {
      write_steps(epoch, seconds_since(last_line));
      last_line = Clock::now();
    }
    progress.update((at.step - first_step) * train.batch_size, "loss " + fixed(last_loss_, 4));
  }
  if (history_.size() > 0) write_steps(epoch, seconds_since(last_line));

  if (at.step < steps_per_epoch_ || out_of_steps()) {  // or interrupted
    if (out_of_steps()) folder_.save_model(epoch, state_.model);
    folder_.save_state(state_);
    core::log_info(core::cat("stopped in epoch ", epoch, " after step ", at.step, "/", steps_per_epoch_,
                             "; the state is saved: go on with --resume"));
    return false;
  }
  if (epoch_steps_ > 0) {
    const double seconds = seconds_since(start);
    const double rate = static_cast<double>(epoch_steps_ * train.batch_size) / seconds;
    folder_.epoch(epoch, epoch_loss_ / static_cast<double>(epoch_steps_), seconds, rate);
    core::log_info(core::cat("epoch ", epoch, "/", train.epochs, "  loss ",
                             fixed(epoch_loss_ / static_cast<double>(epoch_steps_), 4), "  ", fixed(rate, 0),
                             " samples/s"));
  }
  return true;
}

void Trainer::write_steps(int64_t epoch, double seconds) {
  const auto steps = history_.take();
  const auto& at = state_.position;
  const auto count = static_cast<int64_t>(steps.size());
  for (int64_t i = 0; i < count; ++i) {
    const auto& [loss, contrastive, penalty, batch] = steps[static_cast<size_t>(i)];
    const StepRecord record{epoch, at.total_steps - count + i + 1, loss, contrastive, penalty, batch, state_.adam.lr(),
                            plan_.penalty_weight(epoch), seconds / static_cast<double>(count)};
    folder_.step(record);
    if (i + 1 == count) {
      folder_.log_step(record, options_.train.epochs, at.step * options_.train.batch_size,
                       steps_per_epoch_ * options_.train.batch_size);
    }
    if (!std::isfinite(loss)) {
      folder_.save_state(state_, "failed_state.pt");
      throw DivergedError(core::cat("epoch ", epoch, ", step ", record.step, ": the loss is ", loss, " (contrastive ",
                                    contrastive, ", penalty ", penalty, ", batch ", batch, ", lr ", record.lr,
                                    "); the state is in ", (folder_.path() / "failed_state.pt").string(),
                                    "; try a smaller --lr or a higher --temperature, or --precision fp32"));
    }
    epoch_loss_ += loss;
    ++epoch_steps_;
    last_loss_ = loss;
  }
}

bool Trainer::maximize(int64_t epoch) {
  const auto& options = options_.maximize;
  const auto start = Clock::now();
  const auto number = static_cast<uint64_t>(epoch);
  const int64_t n = sets_.train->size();
  const auto stopped = [&] {
    folder_.save_state(state_);
    core::log_info(core::cat("stopped in the maximization of epoch ", epoch, ", which will be made anew; the state is saved: "
                             "go on with --resume"));
    return false;
  };
  std::unique_ptr<partition::FeatureSource> source;
  if (options.offline) {
    auto bank = embed_views(state_.model, views_, number, options_.train.batch_size, options_.train.bf16);
    if (!bank.z1.defined()) return stopped();
    source = std::make_unique<partition::BankSource>(bank.z1, bank.z2, options.batch_size, options.shuffle,
                                                     options.seed, number);
  } else {
    source = std::make_unique<OnlineSource>(state_.model, views_, options, number, options_.train.batch_size,
                                            options_.train.bf16);
  }
  const bool fresh = options.random_init || state_.partitions.empty();
  const auto initial = fresh ? partition::random_logits(n, options.num_env, options.seed, number).to(device_)
                             : state_.partitions.newest();
  core::Progress progress(core::cat("maximization ", epoch), options.passes, "passes");
  const auto result = partition::maximize(*source, initial, options, [&](const partition::PassReport& pass) {
    folder_.maximize_pass(epoch, pass);
    progress.update(pass.pass + 1, core::cat("risk ", fixed(pass.risk, 4), ", best ", fixed(pass.best_risk, 4)));
    return !core::interrupted();
  });
  if (result.interrupted) return stopped();
  state_.partitions.add(result.logits);
  folder_.save_partition(epoch, result.logits);
  const auto sizes = torch::bincount(partition::environment_of(result.logits), {}, options.num_env).to(torch::kCPU);
  folder_.maximize(epoch, result, sizes, seconds_since(start));
  std::string list;
  for (int64_t e = 0; e < options.num_env; ++e) list += core::cat(e > 0 ? " + " : "", sizes[e].item<int64_t>());
  core::log_info(core::cat("maximization after epoch ", epoch, "  risk ", fixed(result.best_risk, 4), " (pass ",
                           result.best_pass, " of ", result.passes, ")  environments ", list, "  ",
                           core::human_duration(seconds_since(start))));
  return true;
}

void Trainer::evaluate(int64_t epoch) {
  torch::NoGradGuard no_grad;
  const eval::RunOptions run{device_, options_.train.bf16, views_.loader, options_.train.batch_size};
  const auto bank = eval::embed_test_views(state_.model, *sets_.labelled, run, "kNN memory");
  const auto queries = eval::embed_test_views(state_.model, *sets_.test, run, "kNN queries");
  const auto& factors = sets_.labelled->factors();
  for (size_t f = 0; f < factors.size(); ++f) {
    const auto values = [&](const data::ImageSet& set) {
      return torch::tensor(set.factors()[f].values, torch::kInt64).to(device_);
    };
    const auto scores =
        eval::knn_scores(queries, bank, values(*sets_.labelled), factors[f].num_values, options_.knn);
    const auto accuracy = eval::accuracy(scores, values(*sets_.test));
    folder_.knn(epoch, factors[f].name, f == 0, accuracy.top1, accuracy.top5);
  }
}

void Trainer::checkpoint(int64_t epoch) {
  folder_.save_model(epoch, state_.model);
  folder_.save_state(state_);
}

}  // namespace ipirm::train

// Puts records into lines for people.
#include "ipirm/observe/console.h"

#include <unistd.h>

#include <cstdio>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"
#include "ipirm/observe/reference_texts.h"

namespace ipirm::observe {
namespace {

// "epoch 3/400".
std::string epoch_of(int64_t epoch, int64_t epochs) {
  return core::cat("epoch ", epoch, "/", epochs);
}

}  // namespace

std::string maximize_summary(const train::MaximizeRecord& record) {
  std::string sizes;
  for (const int64_t size : record.sizes) sizes += core::cat(sizes.empty() ? "" : " + ", size);
  const auto risk =
      record.result.passes == 0
          ? record.source
          : core::cat("risk ", core::with_digits(record.result.best_risk, 4), " (pass ",
                      record.result.best_pass, " of ", record.result.passes, ")");
  return core::cat(risk, "  environments ", sizes);
}

void Console::step(const train::StepRecord& record) {
  if (record.log_due) core::log_debug(step_line(record));
}

bool Console::shows(int64_t epoch, int64_t epochs) {
  if (epoch == epoch_) return shows_epoch_;
  const auto now = std::chrono::steady_clock::now();
  const bool due =
      !shown_ || std::chrono::duration<double>(now - *shown_).count() >= options_.epoch_interval_s;
  epoch_ = epoch;
  shows_epoch_ = due || epoch >= epochs;
  if (shows_epoch_) shown_ = now;
  return shows_epoch_;
}

void Console::epoch(const train::EpochRecord& record) {
  if (!shows(record.epoch, record.epochs)) return;
  core::log_info(core::cat(epoch_of(record.epoch, record.epochs), "  loss ",
                           core::with_digits(record.mean_loss, 4), "  ",
                           core::with_digits(record.samples_per_second, 0), " samples/s",
                           record.epoch < record.epochs && !record.time_left.empty()
                               ? "  run " + record.time_left + " left"
                               : std::string()));
}

void Console::maximize_pass(const train::MaximizePassRecord& record) {
  if (!options_.passes) return;
  const auto& pass = record.pass;
  char text[240];
  std::snprintf(text, sizeof text,
                "pass %lld  risk %.6f  best %.6f  contrastive %.6f  invariance %.3e  balance "
                "%.6f  lr %g  %.2f s",
                static_cast<long long>(pass.pass), pass.risk, pass.best_risk, pass.contrastive,
                pass.invariance, pass.balance, pass.lr, record.seconds);
  core::log_info(text);
}

void Console::maximize(const train::MaximizeRecord& record) {
  core::log_info(core::cat("maximization after epoch ", record.epoch, "  ",
                           maximize_summary(record), "  ", core::human_duration(record.seconds)));
  core::log_info("  the partition: " + to_text(record.judgement));
}

void Console::evaluation(const train::EvaluationRecord& record) {
  if (!shows(record.epoch, record.epochs)) return;
  core::log_info(core::cat(epoch_of(record.epoch, record.epochs), "  ", record.evaluation, " ",
                           record.scores.factor, "  ", core::to_text(record.scores.scores)));
}

void Console::message(const std::string& text) { core::log_info(text); }

ConsoleOptions console_options() {
  return {.passes = false, .epoch_interval_s = ::isatty(STDOUT_FILENO) != 0 ? 0. : 10.};
}

}  // namespace ipirm::observe

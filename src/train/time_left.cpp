// Counts what is still due, and multiplies.
#include "ipirm/train/time_left.h"

#include <algorithm>

#include "ipirm/core/log.h"

namespace ipirm::train {
namespace {

constexpr double kNewest = .2;  // weight of the newest report of steps in the mean

}  // namespace

TimeLeft::TimeLeft(const TrainOptions& options, int64_t steps_per_epoch, bool searches,
                   bool evaluations)
    : options_(options),
      plan_(options),
      steps_per_epoch_(steps_per_epoch),
      searches_(searches),
      evaluations_(evaluations) {}

void TimeLeft::steps(int64_t count, double seconds) {
  const double each = seconds / static_cast<double>(count);
  step_ = step_ == 0 ? each : (1 - kNewest) * step_ + kNewest * each;
}

void TimeLeft::add(Estimate& estimate, const Mean& each, int64_t times) {
  if (times == 0) return;
  if (each.count == 0)
    estimate.at_least = true;
  else
    estimate.seconds += static_cast<double>(times) * each.sum / static_cast<double>(each.count);
}

std::optional<TimeLeft::Estimate> TimeLeft::at(const Position& position) const {
  if (step_ == 0) return std::nullopt;
  const int64_t epochs = options_.epochs;
  int64_t steps = (epochs - position.epoch + 1) * steps_per_epoch_;
  steps -= position.phase == Phase::kMinimize ? position.step : steps_per_epoch_;
  int64_t last = epochs;  // epoch whose searches and evaluations are still made
  if (options_.max_steps > 0 && options_.max_steps - position.total_steps < steps) {
    steps = std::max<int64_t>(0, options_.max_steps - position.total_steps);
    // The run ends with its last step, of an epoch that is whole as well.
    const int64_t begun = (position.step + steps + steps_per_epoch_ - 1) / steps_per_epoch_;
    last = std::min(epochs, position.epoch + begun - 2);
  }
  int64_t searches = 0, evaluations = 0;
  for (int64_t epoch = position.epoch; epoch <= last; ++epoch) {
    const bool searched = epoch == position.epoch && position.phase == Phase::kEvaluate;
    searches += searches_ && !searched && plan_.maximize_due(epoch);
    evaluations += evaluations_ && plan_.evaluate_due(epoch);
  }
  Estimate estimate{.seconds = static_cast<double>(steps) * step_};
  add(estimate, search_, searches);
  add(estimate, evaluation_, evaluations);
  return estimate;
}

std::string to_text(const TimeLeft::Estimate& estimate) {
  return (estimate.at_least ? "over " : "") + core::human_duration(estimate.seconds);
}

}  // namespace ipirm::train

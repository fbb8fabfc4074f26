// Who is told what happens in a run, and what they are told (METHOD 9). The room `observe` has the
// observers: files, the console.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ipirm/core/named_value.h"
#include "ipirm/eval/evaluation.h"
#include "ipirm/partition/judge.h"
#include "ipirm/partition/maximizer.h"

namespace ipirm::train {

// The terms of one step, read from the device.
struct StepRecord {
  // The epoch counts from 1 to `epochs`.
  int64_t epoch = 0, epochs = 0;
  // The step counts from 1 within the run.
  int64_t step = 0;
  // Whether log.txt has a line of this step (Plan::log_due).
  bool log_due = false;
  // How many samples the epoch has seen so far, and how many the set has.
  int64_t seen = 0, set_size = 0;
  // "loss" is the first of them.
  core::NamedValues terms;
  // The mean of the epoch's losses so far.
  double mean_loss = 0;
  double lr = 0, penalty_weight = 0;
  // The wall time of a step: the mean over the steps that were read together.
  double seconds = 0;

  double loss() const { return terms.front().value; }
};

struct EpochRecord {
  int64_t epoch = 0, epochs = 0;
  double mean_loss = 0;
  double seconds = 0, samples_per_second = 0;
  // Until the run's end, "over 3h 20m left"; empty where that is not known.
  std::string time_left = {};
};

// A pass of a maximization. `epoch` is the one after which the maximization is made, 0 before the
// first.
struct MaximizePassRecord {
  int64_t epoch = 0;
  partition::PassReport pass;
  // The wall time since the pass before.
  double seconds = 0;
};

struct MaximizeRecord {
  int64_t epoch = 0;
  // "search", "random" or "factor:NAME".
  std::string source = "search";
  // It has no passes where nothing was searched for; its risks then have no meaning.
  partition::Maximization result;
  // How many samples each environment of the best partition has.
  std::vector<int64_t> sizes;
  // What the partition shares with each known factor and with the partition before.
  partition::Judgement judgement;
  // The wall time of the whole maximization.
  double seconds = 0;
};

struct EvaluationRecord {
  // The epoch that was evaluated, of `epochs`.
  int64_t epoch = 0, epochs = 0;
  // Evaluation::name(), "knn".
  std::string evaluation;
  eval::FactorScores scores;
};

// Each call is made once an event, in the run's order, by the thread of the run.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void step(const StepRecord&) {}
  virtual void epoch(const EpochRecord&) {}
  virtual void maximize_pass(const MaximizePassRecord&) {}
  virtual void maximize(const MaximizeRecord&) {}
  virtual void evaluation(const EvaluationRecord&) {}
  // A line for people.
  virtual void message(const std::string&) {}
};

// Tells several observers, in their order.
class Observers : public Observer {
 public:
  Observers() = default;
  explicit Observers(std::vector<std::shared_ptr<Observer>> observers)
      : observers_(std::move(observers)) {}

  void step(const StepRecord& r) override { tell(&Observer::step, r); }
  void epoch(const EpochRecord& r) override { tell(&Observer::epoch, r); }
  void maximize_pass(const MaximizePassRecord& r) override { tell(&Observer::maximize_pass, r); }
  void maximize(const MaximizeRecord& r) override { tell(&Observer::maximize, r); }
  void evaluation(const EvaluationRecord& r) override { tell(&Observer::evaluation, r); }
  void message(const std::string& text) override { tell(&Observer::message, text); }

 private:
  template <class Record>
  void tell(void (Observer::*event)(const Record&), const Record& record) {
    for (const auto& observer : observers_) (observer.get()->*event)(record);
  }

  std::vector<std::shared_ptr<Observer>> observers_;
};

}  // namespace ipirm::train

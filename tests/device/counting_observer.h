// Runs on the fake device of which an observer counts what made the host wait.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device/devices.h"

namespace ipirm::test {

using fake_device::Counts;
using fake_device::take_counts;
using train::SmallRun;

// Keeps what was counted before each event of a run.
class CountingObserver : public train::Observer {
 public:
  void step(const train::StepRecord&) override { note("step"); }
  void epoch(const train::EpochRecord&) override { note("epoch"); }
  void maximize_pass(const train::MaximizePassRecord&) override { note("pass"); }
  void maximize(const train::MaximizeRecord&) override { note("maximize"); }
  void evaluation(const train::EvaluationRecord&) override { note("evaluation"); }

  // Of the events of one kind, in their order.
  std::vector<Counts> before(const std::string& event) const {
    std::vector<Counts> all;
    for (const auto& [name, counts] : events_)
      if (name == event) all.push_back(counts);
    return all;
  }

 private:
  void note(const char* event) { events_.emplace_back(event, take_counts()); }
  std::vector<std::pair<std::string, Counts>> events_;
};

class Waits : public train::RunTest {
 protected:
  std::shared_ptr<CountingObserver> run(const std::function<void(SmallRun&)>& change) {
    SmallRun run(root_ / core::cat("run", ++num_runs_), train::ExistingRun::kRefuse,
                 fake_device::kDevice);
    run.options.epochs = run.options.maximize_iter = run.options.save_every = 1;
    run.options.eval_every = 2;
    change(run);
    const auto observer = std::make_shared<CountingObserver>();
    run.more_observers.push_back(observer);
    take_counts();
    EXPECT_TRUE(run.trainer().run());
    return observer;
  }
  int num_runs_ = 0;
};

// The first step of an epoch is read by itself, for a line of the log; the other five together.
inline void expect_one_wait_a_read(const CountingObserver& observer) {
  const auto steps = observer.before("step");
  ASSERT_EQ(steps.size(), 6u);
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool is_read = i <= 1;
    EXPECT_EQ(steps[i].num_waits(), is_read ? 1 : 0) << i << ": " << Counts::text(steps[i].waits);
    EXPECT_EQ(steps[i].num_launches() > 0, is_read);
  }
}

inline void make_steps_small(SmallRun& run) {
  run.options.batch_size = 8;  // of 48 images
  run.options.log_every = 100;
}

}  // namespace ipirm::test

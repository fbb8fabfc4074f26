// log.txt and the progress line: the epoch's running mean at the steps that are due, also after a
// resume, and no loss before one is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "train/small_run.h"

namespace ipirm::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogText : public RunTest {
 protected:
  std::vector<nlohmann::json> events_of(const std::filesystem::path& folder,
                                        const std::string& kind) const {
    std::vector<nlohmann::json> found;
    for (const auto& line : lines(folder / "metrics.jsonl")) {
      const auto event = nlohmann::json::parse(line);
      if (event["event"] == kind) found.push_back(event);
    }
    return found;
  }
  std::vector<std::string> lines_with(const std::filesystem::path& folder,
                                      const std::string& start) const {
    std::vector<std::string> found;
    for (const auto& line : lines(folder / "log.txt"))
      if (line.starts_with(start)) found.push_back(line);
    return found;
  }
};

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

// Batches of 5 of 48 images make 9 steps: with a line every 4 those are 1, 5 and 9.
TEST_F(LogText, HasTheRunningMeanAtSteps1And1PlusLogEveryOfTheWholeSet) {
  SmallRun run(root_ / "a");
  run.options.batch_size = 5;
  run.options.log_every = 4;
  run.options.epochs = 2;
  ASSERT_TRUE(run.trainer().run());
  const auto steps = events_of(root_ / "a", "step");
  ASSERT_EQ(steps.size(), 18u);
  std::vector<std::string> expected;
  for (const size_t epoch : {0, 1}) {
    double sum = 0;
    for (size_t step = 1; step <= 9; ++step) {
      sum += steps[9 * epoch + step - 1]["loss"].get<double>();
      if (step % 4 != 1) continue;
      expected.push_back(core::cat("Train Epoch: [", epoch + 1, "/2] [", 5 * step,
                                   "/48]  Loss: ", fixed(sum / static_cast<double>(step)),
                                   "  LR: 0.001000  PW 0.2000"));
    }
  }
  EXPECT_EQ(lines_with(root_ / "a", "Train Epoch"), expected);
}

// Stopped in an epoch, or in the middle of what a line is the mean of: the same lines.
TEST_F(LogText, IsTheSameAfterAResumeAtAnyStep) {
  const auto prepare = [](SmallRun& run) {
    run.options.batch_size = 8;  // 6 steps, lines at 1, 4
    run.options.log_every = 3;
    run.options.epochs = 2;
    run.loss.baseline = true;
  };
  SmallRun whole(root_ / "whole");
  prepare(whole);
  ASSERT_TRUE(whole.trainer().run());
  for (int64_t stop = 1; stop < 12; stop += 2) {
    const auto path = root_ / core::cat("stopped", stop);
    {
      SmallRun first(path);
      prepare(first);
      first.options.max_steps = stop;
      first.trainer().run();
    }
    SmallRun second(path, ExistingRun::kResume);
    prepare(second);
    ASSERT_TRUE(second.resume());
    ASSERT_TRUE(second.trainer().run());
    EXPECT_EQ(lines(path / "log.txt"), lines(root_ / "whole" / "log.txt")) << stop;
  }
}

// stderr as a terminal while it lives: the progress line is shown there every tenth of a second.
class Terminal {
 public:
  Terminal() : before_(dup(STDERR_FILENO)) {
    int end = -1;
    if (openpty(&screen_, &end, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("no pty");
    dup2(end, STDERR_FILENO);
    close(end);
    core::set_log_level(core::LogLevel::kInfo);
    reader_ = std::thread([this] {
      char piece[512];
      for (ssize_t n; (n = read(screen_, piece, sizeof piece)) > 0;)
        text_.append(piece, static_cast<size_t>(n));
    });
  }
  ~Terminal() { restore(); }
  // All that was shown; stderr is the former one again.
  std::string text() {
    restore();
    return text_;
  }

 private:
  void restore() {
    if (before_ < 0) return;
    core::set_log_level(core::LogLevel::kWarning);
    dup2(before_, STDERR_FILENO);  // the terminal's last user: the reader sees its end
    close(std::exchange(before_, -1));
    reader_.join();
    close(screen_);
  }

  int before_, screen_ = -1;
  std::string text_;
  std::thread reader_;
};

class SlowImages : public RandomImages {
 public:
  using RandomImages::RandomImages;
  data::Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return RandomImages::image(i, scratch);
  }
};

TEST_F(LogText, ProgressShowsNoLossUntilOneIsKnown) {
  const auto run_on = [&](ExistingRun existing, int64_t max_steps) {
    SmallRun run(root_ / "a", existing);
    run.views.set = run.sets.train = std::make_shared<SlowImages>(48);
    run.loss.baseline = true;
    run.options.epochs = 1;
    run.options.log_every = 100;
    run.options.max_steps = max_steps;
    if (existing == ExistingRun::kResume) {
      EXPECT_TRUE(run.resume());
    }
    Terminal terminal;
    run.trainer().run();
    return terminal.text();
  };
  testing::internal::CaptureStdout();
  const auto first = run_on(ExistingRun::kRefuse, 1), rest = run_on(ExistingRun::kResume, 0);
  testing::internal::GetCapturedStdout();
  EXPECT_THAT(first, HasSubstr("samples/s"));
  EXPECT_THAT(first, HasSubstr("loss "));  // that of the first step, which is read at once
  EXPECT_THAT(first, Not(HasSubstr("loss 0.0000")));
  EXPECT_THAT(rest, HasSubstr("samples/s"));
  EXPECT_THAT(rest, Not(HasSubstr("loss ")));  // nothing is read before the epoch's end
}

}  // namespace
}  // namespace ipirm::train

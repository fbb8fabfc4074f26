// Writes files in a thread beside the run, one after the other, each a second time if it fails.
#pragma once

#include <functional>
#include <future>

namespace ipirm::train {

class BackgroundWriter {
 public:
  BackgroundWriter() = default;
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;
  // As finish(); a failure is logged.
  ~BackgroundWriter();

  // Starts a job, which has to be one that can be done again, after finish().
  void submit(std::function<void()> job);
  // Waits for the job under way. If it failed by WriteError it is now done again, with a warning (a
  // full disk may have been cleared since): what the second try throws is thrown, as is any other
  // failure of the first.
  void finish();

 private:
  std::function<void()> job_;
  std::future<void> pending_;
};

}  // namespace ipirm::train

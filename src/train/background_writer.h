// Writes files in a thread beside the run, one after the other.
#pragma once

#include <functional>
#include <future>

namespace ipirm::train {

class BackgroundWriter {
 public:
  BackgroundWriter() = default;
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;
  // Waits for the job under way; its failure, if nobody asked for it, is logged.
  ~BackgroundWriter();

  // Starts a job once the one before has ended; throws what that one threw.
  void submit(std::function<void()> job);
  // Waits for the job under way and throws what it threw.
  void finish();

 private:
  std::future<void> pending_;
};

}  // namespace ipirm::train

// Runs a job at a time by std::async.
#include "train/background_writer.h"

#include <exception>
#include <utility>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::train {

BackgroundWriter::~BackgroundWriter() {
  try {
    finish();
  } catch (const std::exception& error) {
    core::log_error(core::first_line(error));
  }
}

void BackgroundWriter::submit(std::function<void()> job) {
  finish();
  job_ = std::move(job);
  pending_ = std::async(std::launch::async, [this] { job_(); });
}

void BackgroundWriter::finish() {
  if (!pending_.valid()) return;
  pending_.wait();
  const auto job = std::exchange(job_, nullptr);
  try {
    pending_.get();
  } catch (const core::WriteError& error) {
    job();
    core::log_warning(core::cat("a save failed and was done again: ", error.what()));
  }
}

}  // namespace ipirm::train

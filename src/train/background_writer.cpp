// Runs a job at a time by std::async.
#include "train/background_writer.h"

#include <exception>
#include <string>
#include <utility>

#include "ipirm/core/log.h"

namespace ipirm::train {

BackgroundWriter::~BackgroundWriter() {
  try {
    finish();
  } catch (const std::exception& error) {
    core::log_error(error.what());
  }
}

void BackgroundWriter::submit(std::function<void()> job) {
  finish();
  pending_ = std::async(std::launch::async, std::move(job));
}

void BackgroundWriter::finish() {
  if (pending_.valid()) pending_.get();
}

}  // namespace ipirm::train

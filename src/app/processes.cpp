// Chooses devices and voices by rank, and compares what the ranks were given.
#include "app/processes.h"

#include <torch/version.h>

#include <chrono>
#include <cmath>
#include <set>
#include <sstream>

#include "ipirm/core/error.h"

namespace ipirm::app {
namespace {

// The lines of a YAML file of settings, without those that a host may have of its own.
std::string shared_settings(const std::string& yaml) {
  static const std::set<std::string> kOwn = {
      "device",     "workers",         "data_root", "factors_csv", "results_root", "log_level",
      "model_path", "downstream_root", "view1",     "view2",       "init",         "out"};
  std::istringstream lines(yaml);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (kOwn.count(line.substr(0, line.find(':'))) == 0) kept += line + '\n';
  }
  return kept;
}

}  // namespace

dist::Launch introduce(core::LogLevel level, bool quiet) {
  const auto launch = dist::read_launch();
  if (quiet) level = std::max(level, core::LogLevel::kWarning);  // from the least severe on
  const bool speaks = launch.rank == 0 || level == core::LogLevel::kOff;
  core::set_log_level(speaks ? level : core::LogLevel::kError);
  if (launch.rank != 0) core::set_log_prefix(core::cat("rank ", launch.rank, ": "));
  return launch;
}

core::DeviceChoice own_device(const core::DeviceChoice& choice, const dist::Launch& launch) {
  if (launch.is_alone() || choice.kind == core::DeviceKind::kCpu) return choice;
  if (choice.index != 0) {
    throw core::UserError(core::cat("--device ", core::device_text(choice), ": each of ",
                                    launch.size,
                                    " processes takes the GPU of its LOCAL_RANK; use --device cuda "
                                    "and choose GPUs by CUDA_VISIBLE_DEVICES"));
  }
  return {choice.kind, launch.local_rank};
}

std::shared_ptr<dist::Group> join(const dist::Launch& launch, torch::Device device,
                                  double timeout_minutes) {
  return dist::connect(launch, device,
                       std::chrono::milliseconds(std::llround(timeout_minutes * 60 * 1000)));
}

void leave(dist::Group& group) {
  group.agreement().finish();
  group.barrier();
}

void check_processes_alike(dist::Group& group, const std::string& yaml, const dist::Facts& data) {
  if (group.is_alone()) return;
  dist::Facts facts = {{"versions", core::cat(core::version(), "\n", TORCH_VERSION)},
                       {"builds", dist::build_text()},
                       {"settings", shared_settings(yaml)}};
  facts.insert(facts.end(), data.begin(), data.end());
  dist::check_alike(group, facts);
}

}  // namespace ipirm::app

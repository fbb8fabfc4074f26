// Chooses devices and voices by rank, and compares what the ranks were given.
#include "app/processes.h"

#include <torch/version.h>

#include <set>
#include <sstream>

#include "ipirm/core/error.h"
#include "ipirm/dist/check_alike.h"

namespace ipirm::app {
namespace {

// The lines of a YAML file of settings, without those that a host may have of its own.
std::string shared_settings(const std::string& yaml) {
  static const std::set<std::string> kOwn = {"device",      "workers",      "data_root",
                                             "factors_csv", "results_root", "log_level"};
  std::istringstream lines(yaml);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (kOwn.count(line.substr(0, line.find(':'))) == 0) kept += line + '\n';
  }
  return kept;
}

}  // namespace

dist::Launch introduce(core::LogLevel level) {
  const auto launch = dist::read_launch();
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

void check_processes_alike(dist::Group& group, const std::string& yaml,
                           const data::Fingerprint& data) {
  if (group.is_alone()) return;
  dist::check_alike(group, {{"versions", core::cat(core::version(), "\n", TORCH_VERSION)},
                            {"builds", dist::build_text()},
                            {"settings", shared_settings(yaml)},
                            {"data", data::to_text(data)}});
}

void require_one_process(const std::string& program) {
  const auto launch = dist::read_launch();
  if (launch.is_alone()) return;
  if (launch.rank != 0) core::set_log_prefix(core::cat("rank ", launch.rank, ": "));
  throw core::UserError(core::cat(program, " is one process, not ", launch.size,
                                  ": start it without torchrun, srun or mpirun"));
}

}  // namespace ipirm::app

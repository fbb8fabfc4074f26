// Compares two resolved configurations line by line.
#include "app/resume.h"

#include <map>
#include <sstream>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

std::map<std::string, std::string> settings(const std::string& yaml) {
  std::map<std::string, std::string> values;
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
    const auto value = line.find_first_not_of(' ', colon + 1);
    values[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
  }
  return values;
}

}  // namespace

void check_settings_unchanged(const std::filesystem::path& config_file, const std::string& now,
                              const std::string& defaults,
                              const std::set<std::string>& may_change_too) {
  static const std::set<std::string> kMayChange = {
      "epochs",    "workers",         "save_every",   "save_minutes", "eval_every",  "log_every",
      "max_steps", "device",          "results_root", "data_root",    "factors_csv", "log_level",
      "name",      "downstream_root", "dist_timeout", "tensorboard"};
  auto before = settings(core::read_file(config_file, kMaxConfigBytes));
  before.merge(settings(defaults));  // what the file names stays
  const auto after = settings(now);
  std::string different;
  for (const auto& [name, value] : after) {
    const auto found = before.find(name);
    const bool schedule =
        name == "epochs" && after.count("increasing_weight") != 0 &&
        after.at("increasing_weight") == "true";  // the weight depends on the last epoch
    if ((kMayChange.count(name) != 0 && !schedule) || may_change_too.count(name) != 0 ||
        (found != before.end() && found->second == value))
      continue;
    different += core::cat(different.empty() ? "" : ", ", name, " (was ",
                           found == before.end() ? "unset" : found->second, ", now ", value, ")");
  }
  if (!different.empty()) {
    throw core::UserError(
        core::cat(config_file.string(), ": the run was started with other settings: ", different,
                  "; resume with those it was started with, or start anew with --overwrite"));
  }
}

}  // namespace ipirm::app

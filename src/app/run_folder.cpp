// Reads a run's folder.
#include "app/run_folder.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <system_error>

#include "ipirm/core/error.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

// The files STEM_E.SUFFIX of the folder, by ascending E.
std::vector<std::pair<int64_t, fs::path>> numbered(const fs::path& folder, std::string_view stem,
                                                   const std::vector<std::string>& suffixes) {
  std::vector<std::pair<int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(stem)) continue;
    int64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + stem.size(), end, number);
    if (error != std::errc() || number < 0) continue;
    const std::string suffix(rest, end);
    if (std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end())
      found.emplace_back(number, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void require(const fs::path& folder, const char* name) {
  std::error_code unreadable;
  if (fs::is_regular_file(folder / name, unreadable)) return;
  throw UserError(cat(folder.string(), ": holds no ", name,
                      "; name the folder of a run, results/DATASET/NAME"));
}

config::TrainConfig read_config(const fs::path& path) {
  const std::string text = path.string();
  const char* const words[] = {"ipirm-inspect", "--config", text.c_str()};
  return *config::parse_train(3, words);
}

}  // namespace

RunFolder open_run(const fs::path& path, const fs::path& downstream_root) {
  require(path, "config.yaml");
  require(path, "metrics.jsonl");
  RunFolder run{path,
                read_config(path / "config.yaml"),
                inspect::read_run_record(path / "metrics.jsonl"),
                numbered(path, "GroupResults_", {".npy", ".txt.npy"}),
                numbered(path, "model_", {".pt", ".pth"}),
                {},
                std::nullopt};
  run.linear_path = downstream_root / core::name_of(run.config.data.dataset) / run.config.name;
  const auto linear = run.linear_path / "metrics.jsonl";
  if (std::error_code unreadable; fs::is_regular_file(linear, unreadable))
    run.linear = inspect::read_run_record(linear);
  return run;
}

fs::path model_of(const RunFolder& run, std::optional<int> epoch) {
  for (auto model = run.models.rbegin(); model != run.models.rend(); ++model) {
    if (!epoch || model->first == *epoch) return model->second;
  }
  if (epoch) {
    std::string known;
    for (const auto& [number, file] : run.models) known += cat(known.empty() ? "" : ", ", number);
    throw UserError(cat("--epoch ", *epoch, ": ", run.path.string(), " has no model of it",
                        known.empty() ? "" : "; there are those of " + known));
  }
  if (std::error_code unreadable; fs::is_regular_file(run.path / "state.pt", unreadable))
    return run.path / "state.pt";
  throw UserError(cat(run.path.string(), ": has saved no model yet; wait for one (--save_every)"));
}

std::vector<ShownSetting> settings_of(const config::TrainConfig& config) {
  const char* const words[] = {"ipirm-train"};
  std::istringstream defaults(to_yaml(*config::parse_train(1, words))), own(to_yaml(config));
  std::vector<std::string> default_lines;
  for (std::string line; std::getline(defaults, line);) default_lines.push_back(line);
  std::vector<ShownSetting> settings;
  for (std::string line; std::getline(own, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos || line.starts_with("#")) continue;
    const bool is_default =
        std::find(default_lines.begin(), default_lines.end(), line) != default_lines.end();
    settings.push_back({line.substr(0, colon), line.substr(colon + 2), is_default});
  }
  return settings;
}

}  // namespace ipirm::app

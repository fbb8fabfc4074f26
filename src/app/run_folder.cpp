// Reads a run's folder.
#include "app/run_folder.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <set>
#include <sstream>
#include <system_error>

#include "ipirm/config/linear_config.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

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

// The network of a linear evaluation; empty where its settings are not there, or cannot be read.
std::string linear_model(const fs::path& config_yaml) {
  if (std::error_code unreadable; !fs::is_regular_file(config_yaml, unreadable)) return "";
  const std::string text = config_yaml.string();
  const char* const words[] = {"ipirm-inspect", "--config", text.c_str()};
  try {
    return config::parse_linear(3, words)->model_path;
  } catch (const UserError& error) {  // the results are shown without it
    core::log_warning(error.what());
    return "";
  }
}

// The path's parts, the last one first.
std::vector<std::string> parts_of(const fs::path& folder) {
  std::vector<std::string> parts;
  for (const auto& part : fs::absolute(folder).lexically_normal()) {
    if (!part.empty()) parts.insert(parts.begin(), part.string());
  }
  return parts;
}

// Whether both are one folder.
bool same_folder(const fs::path& a, const fs::path& b) {
  return parts_of(fs::weakly_canonical(fs::absolute(a))) ==
         parts_of(fs::weakly_canonical(fs::absolute(b)));
}

// Whether two paths end alike, over so many parts.
bool end_alike(const std::vector<std::string>& a, const std::vector<std::string>& b, size_t parts) {
  return a.size() >= parts && b.size() >= parts &&
         std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(parts), b.begin());
}

// A text as config.yaml quotes it, or another value as it stands.
std::string unquoted(const std::string& value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return value;
  std::string text;
  for (size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '\\' && i + 2 < value.size()) ++i;
    text += value[i];
  }
  return text;
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
                std::nullopt,
                {}};
  run.linear_path = downstream_root / core::name_of(run.config.data.dataset) / run.config.name;
  const auto linear = run.linear_path / "metrics.jsonl";
  if (std::error_code unreadable; fs::is_regular_file(linear, unreadable))
    run.linear = inspect::read_run_record(linear);
  if (!run.linear) return run;
  run.linear_model = linear_model(run.linear_path / "config.yaml");
  const fs::path model = run.linear_model;
  if (model.has_parent_path() && same_folder(model.parent_path(), path))
    run.linear_model = model.filename().string();
  return run;
}

std::optional<fs::path> model_of(const RunFolder& run, std::optional<int> epoch) {
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
  return std::nullopt;
}

std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
  std::vector<std::vector<std::string>> parts;
  for (const auto& folder : folders) parts.push_back(parts_of(folder));
  std::vector<std::string> names;
  for (size_t i = 0; i < folders.size(); ++i) {
    size_t told = 1;  // parts of the name
    for (size_t j = 0; j < folders.size(); ++j) {
      if (j == i) continue;
      if (same_folder(folders[i], folders[j])) {
        throw UserError(cat(folders[std::max(i, j)].string(), ": is the same run as ",
                            folders[std::min(i, j)].string(), "; name each run once"));
      }
      while (told < parts[i].size() && end_alike(parts[i], parts[j], told)) ++told;
    }
    std::string name = parts[i].front();
    for (size_t part = 1; part < told; ++part) name = cat(parts[i][part], "/", name);
    names.push_back(name);
  }
  return names;
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
    settings.push_back({line.substr(0, colon), unquoted(line.substr(colon + 2)), is_default});
  }
  return settings;
}

std::string other_data(const config::TrainConfig& first, const config::TrainConfig& other) {
  const auto dataset = other.data.dataset;
  if (dataset != first.data.dataset) return core::name_of(dataset);
  const bool is_folder = dataset == data::DataSetKind::kFolder;
  if (is_folder && !same_folder(other.data.root, first.data.root)) return other.data.root;
  static const std::set<std::string> kOfImages = {"colours", "colour_noise", "colour_correlation",
                                                  "pad",     "shapes_train", "shapes_test"};
  std::string differing;
  const auto own = settings_of(first), others = settings_of(other);
  for (size_t i = 0; i < own.size() && i < others.size(); ++i) {
    const auto& [name, value, is_default] = others[i];
    const bool counts = kOfImages.contains(name) || (is_folder && name == "image_size");
    if (counts && own[i].value != value)
      differing += cat(differing.empty() ? "" : ", ", "--", name, " ", value);
  }
  return differing;
}

}  // namespace ipirm::app

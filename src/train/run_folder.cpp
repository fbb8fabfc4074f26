// Makes, locks and clears a run's folder.
#include "ipirm/train/run_folder.h"

#include <algorithm>
#include <regex>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/train/state_store.h"
#include "train/samples_csv.h"

namespace ipirm::train {
namespace fs = std::filesystem;
namespace {

// The names a run gives its files, and those of writes that were cut off.
bool is_run_file(const std::string& name) {
  // Weights and partitions under the reference's names too: its runs bear the names that ours do.
  static const std::regex kNames(
      "(config\\.yaml|samples\\.csv|log\\.txt|metrics\\.jsonl|knn_result\\.txt|"
      "events\\.out\\.tfevents\\.[0-9]+\\.ipirm|"
      "projector_(config\\.pbtxt|features\\.tsv|metadata\\.tsv|sprite\\.png)|"
      "(failed_)?state\\.pt|state_(next|previous|damaged)\\.pt|model_[0-9]+\\.pth?|"
      "GroupResults_[0-9]+(\\.txt)?\\.npy(\\.data)?)(\\.tmp)?");
  return std::regex_match(name, kNames);
}

// A file that the reference wrote and this program never does.
bool is_reference_file(const fs::path& file) {
  return file.extension() == ".pth" || file.stem().extension() == ".txt";
}

std::vector<fs::path> run_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_run_file(entry.path().filename().string())) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

RunFolder::RunFolder(fs::path path, ExistingRun existing)
    : path_(std::move(path)), lock_(core::make_writable_folder(path_)) {
  const auto earlier = run_files(path_);
  const auto kept = std::find_if(earlier.begin(), earlier.end(),
                                 [](const fs::path& file) { return fs::file_size(file) > 0; });
  if (existing == ExistingRun::kRefuse && kept != earlier.end()) {
    throw core::UserError(core::cat(
        path_.string(), ": already holds a run (", kept->filename().string(),
        "); go on with it by --resume, replace it by --overwrite, or choose another --name"));
  }
  const auto foreign = std::ranges::find_if(earlier, is_reference_file);
  if (existing == ExistingRun::kResume && foreign != earlier.end() &&
      !StateStore::holds_state(path_)) {
    throw core::UserError(core::cat(
        path_.string(), ": holds a run of the reference (", foreign->filename().string(),
        "), which cannot be gone on with; choose another --name, or replace it by --overwrite"));
  }
  if (existing == ExistingRun::kOverwrite) {
    for (const auto& file : earlier) fs::remove(file);
  }
}

void RunFolder::write_config(const std::string& yaml) const {
  core::write_atomically(path_ / "config.yaml", yaml);
}

void RunFolder::write_samples(const data::ImageSet& set, bool replace) const {
  const auto path = path_ / "samples.csv";
  if (set.size() == 0 || set.name(0).empty() || (!replace && fs::exists(path))) return;
  core::write_atomically(path, [&](core::FileWriter& file) { write_samples_csv(set, file); });
}

}  // namespace ipirm::train

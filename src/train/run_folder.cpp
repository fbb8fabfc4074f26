// Writes a run's files.
#include "ipirm/train/run_folder.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <regex>

#include "ipirm/checkpoint/npy.h"
#include "ipirm/checkpoint/state_file.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/train/maximize_events.h"
#include "ipirm/train/partition_data.h"
#include "train/background_writer.h"
#include "train/samples_csv.h"

namespace ipirm::train {
namespace fs = std::filesystem;
using nlohmann::ordered_json;
namespace {

// The names a run gives its files, and those of writes that were cut off.
bool is_run_file(const std::string& name) {
  // Weights and partitions under the reference's names too: its runs bear the names that ours do.
  static const std::regex kNames(
      "(config\\.yaml|samples\\.csv|log\\.txt|metrics\\.jsonl|knn_result\\.txt|"
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

const fs::path& made(const fs::path& folder) {
  core::make_writable_folder(folder);
  return folder;
}

std::string line(const ordered_json& event) { return event.dump(); }

checkpoint::StateFile state_file(const fs::path& folder) { return {folder, "state"}; }

}  // namespace

RunFolder::RunFolder(fs::path path, ExistingRun existing)
    : path_(std::move(path)), lock_(made(path_)), writer_(std::make_unique<BackgroundWriter>()) {
  const auto earlier = run_files(path_);
  const auto kept = std::find_if(earlier.begin(), earlier.end(),
                                 [](const fs::path& file) { return fs::file_size(file) > 0; });
  if (existing == ExistingRun::kRefuse && kept != earlier.end()) {
    throw core::UserError(core::cat(
        path_.string(), ": already holds a run (", kept->filename().string(),
        "); go on with it by --resume, replace it by --overwrite, or choose another --name"));
  }
  const auto foreign = std::ranges::find_if(earlier, is_reference_file);
  if (existing == ExistingRun::kResume && foreign != earlier.end() && !holds_state(path_)) {
    throw core::UserError(core::cat(
        path_.string(), ": holds a run of the reference (", foreign->filename().string(),
        "), which cannot be gone on with; choose another --name, or replace it by --overwrite"));
  }
  if (existing == ExistingRun::kOverwrite) {
    for (const auto& file : earlier) fs::remove(file);
  }
  const bool keep = existing == ExistingRun::kResume;
  log_.emplace(path_ / "log.txt", keep);
  metrics_.emplace(path_ / "metrics.jsonl", keep);
  knn_.emplace(path_ / "knn_result.txt", keep);
}

RunFolder::~RunFolder() = default;

void RunFolder::write_config(const std::string& yaml) const {
  core::write_atomically(path_ / "config.yaml", yaml);
}

void RunFolder::log_step(const StepRecord& record, double mean_loss, int64_t epochs, int64_t seen,
                         int64_t total) {
  char text[200];
  std::snprintf(text, sizeof text,
                "Train Epoch: [%lld/%lld] [%lld/%lld]  Loss: %.4f  LR: %.6f  PW %.4f",
                static_cast<long long>(record.epoch), static_cast<long long>(epochs),
                static_cast<long long>(seen), static_cast<long long>(total), mean_loss, record.lr,
                record.penalty_weight);
  log_->line(text);
  core::log_debug(text);
}

void RunFolder::step(const StepRecord& r) {
  metrics_->line(line({{"event", "step"},
                       {"epoch", r.epoch},
                       {"step", r.step},
                       {"loss", r.loss},
                       {"contrastive", r.contrastive},
                       {"penalty", r.penalty},
                       {"batch_contrastive", r.batch},
                       {"penalty_weight", r.penalty_weight},
                       {"lr", r.lr},
                       {"seconds", r.seconds}}));
}

void RunFolder::epoch(int64_t epoch, double mean_loss, double seconds, double samples_per_second) {
  metrics_->line(line({{"event", "epoch"},
                       {"epoch", epoch},
                       {"loss", mean_loss},
                       {"seconds", seconds},
                       {"samples_per_second", samples_per_second}}));
}

void RunFolder::maximize_pass(int64_t epoch, const partition::PassReport& p) {
  metrics_->line(maximize_pass_event(epoch, p));
  if (p.pass == 0) log_->line(first_risk_line(p));
}

void RunFolder::maximize(int64_t epoch, const partition::Maximization& result,
                         const std::vector<int64_t>& sizes, double seconds) {
  metrics_->line(maximize_event(epoch, result, sizes, seconds));
  for (const auto& text : outcome_lines(result, sizes)) log_->line(text);
}

void RunFolder::knn(int64_t epoch, const std::string& factor, bool is_class, double top1,
                    double top5) {
  metrics_->line(line({{"event", "knn"},
                       {"epoch", epoch},
                       {"factor", factor},
                       {"test_acc@1", top1},
                       {"test_acc@5", top5}}));
  char text[80];
  std::snprintf(text, sizeof text, "test_acc@1: %.4f, test_acc@5: %.4f", top1, top5);
  if (is_class) knn_->line(text);
  core::log_info(core::cat("epoch ", epoch, "  kNN ", factor, "  ", text));
}

void RunFolder::write_samples(const data::ImageSet& set, bool replace) const {
  const auto path = path_ / "samples.csv";
  if (set.size() == 0 || set.name(0).empty() || (!replace && fs::exists(path))) return;
  core::write_atomically(path, [&](core::FileWriter& file) { write_samples_csv(set, file); });
}

void RunFolder::save_partition(int64_t epoch, const torch::Tensor& logits,
                               const std::optional<data::Fingerprint>& data) const {
  const auto path = path_ / core::cat("GroupResults_", epoch, ".npy");
  // First, so that no partition stands without it.
  if (data) core::write_atomically(data_of_partition(path), data::to_text(*data));
  checkpoint::write_npy(path, logits.to(torch::kFloat32));
}

void RunFolder::save_state(const RunState& state, std::optional<int64_t> model_epoch) {
  writer_->finish();
  for (auto* file : {&log_, &metrics_, &knn_})
    (*file)->flush();  // the state must not know more than they hold
  const auto tensors = copy_run_state(state, {log_->size(), metrics_->size(), knn_->size()});
  writer_->submit([folder = path_, tensors, model_epoch] {
    if (model_epoch) {
      checkpoint::write_torch_file(folder / core::cat("model_", *model_epoch, ".pt"),
                                   weights_of(tensors));
    }
    state_file(folder).write(tensors);
  });
}

void RunFolder::finish() { writer_->finish(); }

void RunFolder::save_failed_state(const RunState& state) {
  checkpoint::write_torch_file(
      path_ / "failed_state.pt",
      copy_run_state(state, {log_->size(), metrics_->size(), knn_->size()}));
}

std::optional<std::pair<SavedState, fs::path>> RunFolder::load_state() {
  SavedState saved;
  const auto source =
      state_file(path_).read_newest([&](const fs::path& file) { saved = read_run_state(file); });
  if (!source) return std::nullopt;
  return std::pair(std::move(saved), *source);
}

bool RunFolder::holds_state(const fs::path& folder) noexcept { return state_file(folder).exists(); }

void RunFolder::continue_texts(const std::array<uint64_t, 3>& sizes) {
  log_->truncate_to(sizes[0]);
  metrics_->truncate_to(sizes[1]);
  knn_->truncate_to(sizes[2]);
}

}  // namespace ipirm::train

// A run's folder results/DATASET/NAME/: what is written there, and nowhere else (METHOD 9;
// src/checkpoint/FORMAT.md).
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/core/files.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/data/image_set.h"
#include "ipirm/model/model.h"
#include "ipirm/partition/maximizer.h"
#include "ipirm/train/run_state.h"

namespace ipirm::train {

class BackgroundWriter;

// The terms of one step, read from the device.
struct StepRecord {
  int64_t epoch = 0, step = 0;  // step counts from 1 within the run
  double loss = 0, contrastive = 0, penalty = 0, batch = 0;
  double lr = 0, penalty_weight = 0;
  double seconds = 0;  // wall time a step, averaged since the last line
};

// What to do about a folder that already holds a run.
enum class ExistingRun { kRefuse, kOverwrite, kResume };

class RunFolder {
 public:
  // Makes and locks the folder. Throws UserError if it cannot be written to, is in use, or holds a
  // run (any file of one that is not empty) and `existing` is kRefuse. kOverwrite removes the files
  // of the earlier run, and only those.
  RunFolder(std::filesystem::path path, ExistingRun existing);
  ~RunFolder();

  const std::filesystem::path& path() const { return path_; }

  void write_config(const std::string& yaml) const;  // config.yaml
  // One line of log.txt (and of the log), for steps 1, 1 + log_every, ... of an epoch (METHOD 9).
  // mean_loss: of the epoch so far; seen: samples of it; total: samples of the set.
  void log_step(const StepRecord& record, double mean_loss, int64_t epochs, int64_t seen,
                int64_t total);
  // Events of metrics.jsonl; those of a maximization also give log.txt the reference's lines.
  void step(const StepRecord& record);
  void epoch(int64_t epoch, double mean_loss, double seconds, double samples_per_second);
  void maximize_pass(int64_t epoch, const partition::PassReport& pass);
  void maximize(int64_t epoch, const partition::Maximization& result,
                const std::vector<int64_t>& sizes, double seconds);
  // `factor` is the class ("label", "digit") or another known factor; only the class goes to
  // knn_result.txt.
  void knn(int64_t epoch, const std::string& factor, bool is_class, double top1, double top5);

  // samples.csv: a row for each image of a set that names them: index, path, label, class. One that
  // is there stays, unless `replace`.
  void write_samples(const data::ImageSet& set, bool replace) const;
  // GroupResults_E.npy, and GroupResults_E.npy.data with the fingerprint of the data it is of.
  void save_partition(int64_t epoch, const torch::Tensor& logits,
                      const std::optional<data::Fingerprint>& data) const;
  // state.pt: the whole state, with the lengths of the text files at this moment; with model_epoch
  // also model_E.pt, before it. Copied at once and written by a thread; where that fails, the next
  // of these calls or finish() tries it once more, and throws what goes wrong then. The state
  // before stays as state_previous.pt.
  void save_state(const RunState& state, std::optional<int64_t> model_epoch = {});
  // Waits for what is being written.
  void finish();
  // failed_state.pt, for inspection; at once.
  void save_failed_state(const RunState& state);
  // The newest good state, with the file it is from, or nothing. A damaged newest one is reported,
  // set aside as state_damaged.pt, and the one before it is used. Throws UserError when only
  // damaged ones are there.
  std::optional<std::pair<SavedState, std::filesystem::path>> load_state();
  // Whether the folder holds a state at all, as far as it can be read.
  static bool holds_state(const std::filesystem::path& folder) noexcept;
  // Cuts the text files back to the lengths they had when the state to go on from was saved (0:
  // start anew).
  void continue_texts(const std::array<uint64_t, 3>& sizes);

 private:
  std::filesystem::path path_;
  core::FolderLock lock_;
  std::unique_ptr<BackgroundWriter> writer_;
  std::optional<core::LineFile> log_, metrics_, knn_;
};

}  // namespace ipirm::train

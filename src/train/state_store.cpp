// Writes and reads the state's files, those of earlier versions among them.
#include "ipirm/train/state_store.h"

#include <algorithm>

#include "ipirm/checkpoint/host_copy.h"
#include "ipirm/checkpoint/state_file.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/data/fingerprint.h"
#include "ipirm/train/run_state.h"
#include "train/background_writer.h"

namespace ipirm::train {
namespace fs = std::filesystem;
namespace {

using checkpoint::SavedTensors;
using checkpoint::StateDict;

// The version is the first number of the tensor "run", which stands last. 1: no search under way;
// 1 and 2: no fingerprint of the data; 1 to 3: "run" holds the counters, and there is no list of
// parts. A part that joins needs no new version.
constexpr int64_t kVersion = 4;
constexpr const char* kRun = "run";

checkpoint::StateFile state_file(const fs::path& folder) { return {folder, "state"}; }

// Copies on the CPU, which the run does not change any more.
StateDict copy_of(const checkpoint::StateParts& parts) {
  auto tensors = checkpoint::state_of(parts);
  tensors.emplace_back(kRun, torch::full({1}, kVersion, torch::kInt64));
  return checkpoint::host_copy(tensors);
}

StateDict weights_of(const StateDict& state) {
  StateDict weights;
  std::ranges::copy_if(state, std::back_inserter(weights),
                       [](const auto& entry) { return entry.first.starts_with("module."); });
  return weights;
}

// Versions 1 to 3 kept in "run": version, epoch, phase, step, total steps, the bytes of three
// texts, the number of partitions.
void add_counters(StateDict& tensors, const torch::Tensor& run, const fs::path& path) {
  const auto values = run.contiguous();
  const int64_t* value = values.const_data_ptr<int64_t>();
  if (run.size(0) != 9 || std::any_of(value + 1, value + 9, [](int64_t v) { return v < 0; })) {
    throw core::UserError(
        core::cat(path.string(), ": the counters in 'run' are out of range; the file is damaged"));
  }
  tensors.emplace_back("position", values.slice(0, 1, 5).clone());
  const char* const texts[] = {"text.log.txt", "text.metrics.jsonl", "text.knn_result.txt"};
  for (int64_t i = 0; i < 3; ++i) tensors.emplace_back(texts[i], values[5 + i].clone());
  tensors.emplace_back("partitions", values[8].clone());
}

}  // namespace

SavedTensors read_run_state(const fs::path& path) {
  auto tensors = checkpoint::read_torch_file(path);
  const auto [name, run] = tensors.empty() ? StateDict::value_type() : tensors.back();
  if (name != kRun || run.scalar_type() != torch::kInt64 || run.dim() != 1 || run.size(0) < 1) {
    throw core::UserError(core::cat(
        path.string(), ": holds no run state (no tensor 'run' at its end); to start from ",
        "weights alone use --pretrain_model"));
  }
  const auto version = run[0].item<int64_t>();
  if (version < 1 || version > kVersion) {
    throw core::UserError(core::cat(
        path.string(), ": run state of version ", version, ", this program reads versions 1 to ",
        kVersion, "; resume with the program that wrote it, or start anew with --overwrite"));
  }
  tensors.pop_back();
  if (version < 4) add_counters(tensors, run, path);
  // What is damaged here gives way to the state before.
  for (const auto& [key, tensor] : tensors) {
    if (key == "data.fingerprint") data::fingerprint_from(tensor, path);
    if (key == "position") position_from(tensor, path.string());
  }
  return {std::move(tensors), path.string()};
}

StateStore::StateStore(fs::path folder, checkpoint::StateParts parts, bool writes)
    : folder_(std::move(folder)),
      parts_(std::move(parts)),
      writes_(writes),
      writer_(std::make_unique<BackgroundWriter>()) {}

StateStore::~StateStore() = default;

void StateStore::save(std::optional<int64_t> model_epoch) {
  if (!writes_) return;
  writer_->finish();
  writer_->submit([folder = folder_, tensors = copy_of(parts_), model_epoch] {
    if (model_epoch) {
      checkpoint::write_torch_file(folder / core::cat("model_", *model_epoch, ".pt"),
                                   weights_of(tensors));
    }
    state_file(folder).write(tensors);
  });
}

void StateStore::finish() { writer_->finish(); }

fs::path StateStore::save_failed() {
  const auto path = folder_ / "failed_state.pt";
  if (writes_) checkpoint::write_torch_file(path, copy_of(parts_));
  return path;
}

bool StateStore::load() {
  torch::NoGradGuard no_grad;
  std::optional<SavedTensors> saved;
  if (!state_file(folder_).read_newest([&](const fs::path& file) { saved = read_run_state(file); }))
    return false;
  checkpoint::load_parts(parts_, *saved);
  return true;
}

bool StateStore::holds_state(const fs::path& folder) noexcept {
  return state_file(folder).exists();
}

}  // namespace ipirm::train

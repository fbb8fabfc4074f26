// Saves and finds a run's whole state: state.pt, the one before it, and model_E.pt (METHOD 9;
// src/checkpoint/FORMAT.md).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "ipirm/checkpoint/state_part.h"

namespace ipirm::train {

class BackgroundWriter;

class StateStore {
 public:
  // folder: of the run, which exists and is locked. parts: all that a state holds; whatever they
  // refer to must outlive the store. writes: false in a rank that leaves saving to rank 0; each
  // call that saves then does nothing.
  StateStore(std::filesystem::path folder, checkpoint::StateParts parts, bool writes = true);
  ~StateStore();

  // state.pt: every part as it is now; with model_epoch also model_E.pt, before it. Copied at once
  // and written by a thread; where that fails, the next of these calls or finish() tries it once
  // more, and throws what goes wrong then. The state before stays as state_previous.pt.
  void save(std::optional<int64_t> model_epoch = {});
  // Waits for what is being written.
  void finish();
  // failed_state.pt, for inspection; at once. Returns its path.
  std::filesystem::path save_failed();
  // Brings the parts to the newest good state: false where there is none. A damaged newest one is
  // reported, set aside as state_damaged.pt, and the one before it is used. States of versions 1 to
  // 3 are read too. Throws UserError when only damaged ones are there, or what does not fit.
  bool load();
  // Whether the folder holds a state at all, as far as it can be read.
  bool holds_state() const noexcept { return holds_state(folder_); }
  static bool holds_state(const std::filesystem::path& folder) noexcept;

 private:
  std::filesystem::path folder_;
  checkpoint::StateParts parts_;
  bool writes_;
  std::unique_ptr<BackgroundWriter> writer_;
};

// The tensors of a state file, in the form of this version. Throws UserError for a file that is no
// run state, of a later version, or damaged.
checkpoint::SavedTensors read_run_state(const std::filesystem::path& path);

}  // namespace ipirm::train

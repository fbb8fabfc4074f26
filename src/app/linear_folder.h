// A linear evaluation's folder downstream/DATASET/NAME/: what is written there, and nowhere else.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "app/linear_state.h"
#include "ipirm/checkpoint/state_file.h"
#include "ipirm/core/files.h"
#include "ipirm/observe/text_files.h"
#include "ipirm/train/observer.h"

namespace ipirm::app {

class LinearFolder {
 public:
  // Makes and locks the folder. Changes no file in it.
  explicit LinearFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

  // The newest good state with the file it is from, or nothing; a damaged newest one is reported
  // and set aside. Throws UserError where the evaluation that it belongs to had other settings than
  // `yaml`, or when only damaged ones are there.
  std::optional<std::pair<LinearState, std::filesystem::path>> load_state(const std::string& yaml);
  // Starts from the beginning. Throws UserError if an evaluation stands there, unless it is to be
  // replaced.
  void begin(const std::string& yaml, bool replace, bool resume);
  // Goes on: cuts the text files back to what they held when `state` was saved.
  void go_on(const std::string& yaml, const LinearState& state);

  // Those who write result.txt (of the class alone) and metrics.jsonl. After begin() or go_on().
  train::Observer& observer() { return observers_; }
  // Saves the state of now, with the lengths of the text files, which are filled in.
  void save(LinearState& state);
  bool holds_state() const noexcept { return state_file_.exists(); }

 private:
  void open_texts(bool keep);

  std::filesystem::path path_;
  core::FolderLock lock_;
  checkpoint::StateFile state_file_;
  std::optional<observe::TextFiles> texts_;
  train::Observers observers_;
};

}  // namespace ipirm::app

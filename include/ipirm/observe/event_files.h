// TensorBoard's event files in a run's folder, and their lengths as a part of its state
// (src/checkpoint/FORMAT.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipirm/checkpoint/state_part.h"
#include "ipirm/core/files.h"

namespace ipirm::observe {

// Takes an encoded event.
using EventSink = std::function<void(const std::string&)>;

// Each start of a run that writes events makes a file of its own,
// FOLDER/events.out.tfevents.N.ipirm, at the first of them: a TensorBoard that is open meanwhile
// has read the files before to their ends, and never finds other bytes where it stands. As with the
// other texts, a state never knows of more than the disk holds, and load() brings the folder back
// to what the state knows.
class EventFiles : public checkpoint::StatePart {
 public:
  // folder exists. Files that are there stay as they are until load() or clear().
  explicit EventFiles(std::filesystem::path folder);

  // Throws WriteError. May be called after load() or clear() alone where there are files.
  void append(const std::string& event);
  // Removes all files: the run begins.
  void clear();
  // No file holds an event of this run.
  bool empty() const { return files_.empty(); }

  // int64 scalars "events.FILE": bytes. All events have reached the disk then.
  checkpoint::StateDict state() const override;
  // Cuts each file to the state's length; one that the state does not name is removed.
  void load(checkpoint::SavedTensors& saved) override;

 private:
  struct File {
    std::string name;
    uint64_t size = 0;
  };
  // Those of the folder, in the order of their numbers.
  std::vector<std::string> names_in_folder() const;
  void open_next();

  std::filesystem::path folder_;
  // Of this run, the newest last.
  std::vector<File> files_;
  // That of the newest; null until it is opened.
  std::unique_ptr<core::LineFile> open_;
  // Greater than that of any file which a reader may have seen.
  int64_t next_number_ = 1;
};

}  // namespace ipirm::observe

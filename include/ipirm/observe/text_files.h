// The text files of a run that grow line by line, and their lengths as a part of its state.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/checkpoint/state_part.h"
#include "ipirm/core/files.h"

namespace ipirm::observe {

// Takes a line without its line feed.
using LineSink = std::function<void(const std::string&)>;

// A saved state must not know more than the texts hold: state() makes sure that they have reached
// the disk first. load() cuts them back to what they held then, so that a resumed run writes each
// line once.
class TextFiles : public checkpoint::StatePart {
 public:
  // folder exists. keep: go on behind what a file holds; otherwise each begins empty.
  TextFiles(std::filesystem::path folder, bool keep) : folder_(std::move(folder)), keep_(keep) {}

  // Opens FOLDER/NAME at once; the sink is good as long as this object. Throws WriteError.
  LineSink open(const std::string& name);
  // Empties all of them.
  void clear();

  // int64 scalars "text.NAME": bytes.
  checkpoint::StateDict state() const override;
  // A file that the state does not name was not written then, and begins empty.
  void load(checkpoint::SavedTensors& saved) override;

  // Makes sure that all lines survive a crash of the machine. Throws WriteError.
  void flush() const;
  // Bytes of a file, and back to them.
  uint64_t size(const std::string& name) const;
  void truncate(const std::string& name, uint64_t size);

 private:
  core::LineFile& file(const std::string& name) const;

  std::filesystem::path folder_;
  bool keep_;
  std::vector<std::pair<std::string, std::unique_ptr<core::LineFile>>> files_;
};

}  // namespace ipirm::observe

// A state that is saved again and again: the newest two are kept, and a damaged newest one gives
// way to the one before it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {

// FOLDER/STEM.pt and STEM_previous.pt; STEM_next.pt while it is written, STEM_damaged.pt set aside.
class StateFile {
 public:
  StateFile(std::filesystem::path folder, std::string stem)
      : folder_(std::move(folder)), stem_(std::move(stem)) {}

  // Whether there is a state at all, as far as the folder can be read.
  bool exists() const noexcept;
  // At any moment a whole state stands in the folder, once there was one. Throws WriteError.
  void write(const StateDict& tensors) const;
  // Calls `read` with the newest state's file; where that throws UserError and there is one before
  // it, says so, sets the damaged one aside and calls `read` with that. Returns the file that was
  // read, or nothing where there is none. Throws what `read` throws for the last.
  std::optional<std::filesystem::path> read_newest(
      const std::function<void(const std::filesystem::path&)>& read) const;
  // Deletes the states, those set aside and what was left of cut-off writes. Throws WriteError.
  void remove() const;

 private:
  std::filesystem::path file(const char* suffix) const { return folder_ / (stem_ + suffix); }

  std::filesystem::path folder_;
  std::string stem_;
};

// CRC-32 of the tensors' names, types, shapes and elements, in their order: equal for equal
// weights, whatever file they come from.
uint32_t checksum(const StateDict& tensors);

}  // namespace ipirm::checkpoint

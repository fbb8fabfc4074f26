// A saved state as a list of parts: each gives its tensors, and takes them back by name.
#pragma once

#include <torch/types.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {

// The tensors of a state that was read, and which of them the parts have asked for. The messages of
// what is thrown name `source`.
class SavedTensors {
 public:
  SavedTensors(StateDict tensors, std::string source)
      : tensors_(std::move(tensors)), source_(std::move(source)) {}

  const std::string& source() const { return source_; }
  bool holds(const std::string& name) const;
  // The tensor of that name. Throws UserError where it is missing, and, in the second form, where
  // its shape or type is another.
  torch::Tensor take(const std::string& name);
  torch::Tensor take(const std::string& name, torch::IntArrayRef shape, torch::ScalarType dtype);
  // All tensors whose names begin with `prefix`, in the file's order.
  StateDict take_all(const std::string& prefix);
  // The names that nobody has taken, in the file's order.
  std::vector<std::string> left() const;

 private:
  StateDict tensors_;
  std::string source_;
  std::set<std::string> taken_;
};

// One part of a state: a network, an optimizer, the lengths of text files. A part that joins a
// program later must do without its tensors in an older state: it asks holds() first.
class StatePart {
 public:
  virtual ~StatePart() = default;
  // The part's tensors under names that no other part uses. They may be shared with the part:
  // whoever keeps them makes copies.
  virtual StateDict state() const = 0;
  // Brings the part to what state() gave. Throws UserError naming what does not fit.
  virtual void load(SavedTensors& saved) = 0;
};

// In the order in which they are written and loaded.
using StateParts = std::vector<std::shared_ptr<StatePart>>;

// The tensors of all parts. Throws c10::Error where two parts use one name.
StateDict state_of(const StateParts& parts);

// Loads every part. Throws UserError, too, for tensors that no part has taken: they belong to
// something that this program or these settings do not have, and would be lost silently.
void load_parts(const StateParts& parts, SavedTensors& saved);

}  // namespace ipirm::checkpoint

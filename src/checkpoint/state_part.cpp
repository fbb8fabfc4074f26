// Finds a state's tensors by name, and puts the parts' tensors together.
#include "ipirm/checkpoint/state_part.h"

#include <algorithm>

#include "ipirm/core/error.h"

namespace ipirm::checkpoint {

bool SavedTensors::holds(const std::string& name) const {
  return std::ranges::any_of(tensors_, [&](const auto& entry) { return entry.first == name; });
}

torch::Tensor SavedTensors::take(const std::string& name) {
  for (const auto& [found, tensor] : tensors_) {
    if (found != name) continue;
    taken_.insert(name);
    return tensor;
  }
  throw core::UserError(core::cat(source_, ": '", name,
                                  "' is missing; resume with the settings of the run that wrote "
                                  "it, or start anew with --overwrite"));
}

torch::Tensor SavedTensors::take(const std::string& name, torch::IntArrayRef shape,
                                 torch::ScalarType dtype) {
  auto tensor = take(name);
  if (tensor.sizes() == shape && tensor.scalar_type() == dtype) return tensor;
  throw core::UserError(core::cat(source_, ": '", name, "' is ", tensor.sizes(), " ",
                                  tensor.scalar_type(), ", this run needs ", shape, " ", dtype,
                                  "; resume with the settings of the run that wrote it"));
}

StateDict SavedTensors::take_all(const std::string& prefix) {
  StateDict found;
  for (const auto& entry : tensors_) {
    if (!entry.first.starts_with(prefix)) continue;
    taken_.insert(entry.first);
    found.push_back(entry);
  }
  return found;
}

std::vector<std::string> SavedTensors::left() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_)
    if (taken_.count(name) == 0) names.push_back(name);
  return names;
}

StateDict state_of(const StateParts& parts) {
  StateDict all;
  std::set<std::string> names;
  for (const auto& part : parts) {
    for (auto& entry : part->state()) {
      TORCH_CHECK(names.insert(entry.first).second, "two parts of a state are named ", entry.first);
      all.push_back(std::move(entry));
    }
  }
  return all;
}

void load_parts(const StateParts& parts, SavedTensors& saved) {
  for (const auto& part : parts) part->load(saved);
  const auto left = saved.left();
  if (left.empty()) return;
  throw core::UserError(core::cat(
      saved.source(), ": holds '", left.front(), "'",
      left.size() > 1 ? core::cat(" and ", left.size() - 1, " more tensors") : std::string(),
      " that this run has no use for; resume with the settings of the run that wrote it"));
}

}  // namespace ipirm::checkpoint

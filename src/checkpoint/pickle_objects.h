// What a state_dict's pickle may build beyond Python's own types: tensors, parameters, ordered
// dicts.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "checkpoint/pickle_stack.h"

namespace ipirm::checkpoint {

// The opcodes on globals and persistent ids. Storages are numbered by key, tensors by their place
// in the pickle.
class PickleObjects {
 public:
  explicit PickleObjects(PickleStack& stack) : stack_(stack) {}

  // Pushes the global "module.name"; refuses one that is not known, by name.
  void push_global(const std::string& name);
  // Pops arguments and callable, pushes what the call gives.
  void reduce();
  // Pops a persistent id, pushes its storage.
  void load_storage();

  std::vector<StorageInfo> take_storages() { return std::move(storages_); }
  std::vector<TensorInfo> take_tensors() { return std::move(tensors_); }

 private:
  ValueId rebuild_tensor(const Ids& args);

  PickleStack& stack_;
  std::vector<StorageInfo> storages_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, size_t> storage_of_key_;
  size_t num_sizes_ = 0;  // of all tensors, each counting one more
};

}  // namespace ipirm::checkpoint

// What a torch file's pickle builds beyond Python's own types: tensors, parameters, ordered dicts,
// and opaque values in the place of everything else.
#pragma once

#include <cstddef>
#include <cstdint>
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

  // Pushes the global "module.name", as an opaque value if it is not known.
  void push_global(const std::string& module, const std::string& name);
  // Pops arguments and callable, pushes what the call gives.
  void reduce();
  // Pushes the value that stands for an instance of this class, whatever it is made of.
  void push_instance(ValueId of_class);
  // Pushes an opaque value, which stands for what `name` ("builtins.set") would make.
  void push_opaque(const std::string& name);
  // Pops a state, which says nothing about the elements of the value that it is set on.
  void build();
  // Pops a persistent id, pushes its storage.
  void load_persistent();

  std::vector<StorageInfo> take_storages() { return std::move(storages_); }
  std::vector<TensorInfo> take_tensors() { return std::move(tensors_); }
  std::vector<std::string> take_opaque_names() { return std::move(opaque_names_); }

 private:
  // A run of a storage's elements: all of them, or a view as files from before PyTorch 0.4 have.
  struct StorageView {
    size_t storage;
    int64_t offset, numel;
  };

  ValueId ordered_dict(const Ids& args);
  ValueId rebuild_tensor(const Ids& args, bool with_hooks);
  void check_layout(const TensorInfo& tensor, const StorageView& view);
  size_t storage_number(StorageInfo storage);
  StorageView view_of(size_t storage, const Ids& id) const;

  PickleStack& stack_;
  std::vector<StorageInfo> storages_;
  std::vector<StorageView> views_;  // numbered by kStorage values
  std::vector<TensorInfo> tensors_;
  std::vector<std::string> opaque_names_;
  std::unordered_map<std::string, size_t> storage_of_key_;
  std::unordered_map<std::string, int64_t> opaque_of_name_;
  size_t num_sizes_ = 0;  // of all tensors, each counting one more
  size_t num_pairs_ = 0;  // copied out of lists of pairs
};

}  // namespace ipirm::checkpoint

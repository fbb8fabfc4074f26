// A restricted unpickler: turns the pickle of a torch file into plain values and runs nothing.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace ipirm::checkpoint {

using ValueId = uint32_t;  // index into Pickle::values

struct Value {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kBigInt,
    kFloat,
    kString,
    kBytes,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor,
    kOpaque  // what the pickle would make by a class or function that is not known here
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;  // kBool, kInt; kGlobal, kStorage, kTensor, kOpaque: index into its table
  std::string text;    // kString; kBigInt of at most 255 bytes: these, little-endian
  std::vector<ValueId> items;  // kTuple, kList; kDict: key, value, key, value ...
};

// "an int", for messages.
const char* kind_name(Value::Kind kind);

// Elements that lie outside of the pickle, under a key.
struct StorageInfo {
  std::string key;
  const char* type_name;   // "FloatStorage"
  torch::ScalarType type;  // Undefined: elements that are not read here
  size_t element_size;     // bytes
  int64_t numel;           // as the pickle says; not yet compared with what there is

  uint64_t bytes() const { return static_cast<uint64_t>(numel) * element_size; }
};

// A strided view of a storage, which it does not leave.
struct TensorInfo {
  size_t storage;  // index into Pickle::storages
  int64_t offset;
  std::vector<int64_t> sizes, strides;
};

struct Pickle {
  std::deque<Value> values;
  std::vector<StorageInfo> storages;
  std::vector<TensorInfo> tensors;
  std::vector<std::string> opaque_names;  // "module.name" of what would have been called
  ValueId root = 0;
};

// "an int", "an object of 'argparse.Namespace'", for messages.
std::string describe(const Pickle& pickle, const Value& value);

// Reads a pickle of protocol 2 to 5 as torch.save writes it. Known globals: collections.OrderedDict
// and Counter, torch.Size, torch._utils._rebuild_tensor, _rebuild_tensor_v2 and _rebuild_parameter,
// torch.nn.parameter.Parameter, and torch's storage classes. Whatever another class or function
// would make is an opaque value that bears its name and nothing else; nothing is ever called. An
// opcode without a place in such files is refused with a UserError that begins with `place`.
// Neither recursion nor time or memory beyond the order of bytes.size(). Values may be shared and
// may contain themselves. used: where given, receives the pickle's size, and more bytes may follow
// it.
Pickle unpickle(std::span<const uint8_t> bytes, const std::string& place, size_t* used = nullptr);

}  // namespace ipirm::checkpoint

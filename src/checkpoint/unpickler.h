// A restricted unpickler: turns the pickle of a state_dict into plain values and runs nothing.
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
    kTensor
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;          // kBool, kInt; kGlobal, kStorage, kTensor: index into its table
  std::string text;            // kString
  std::vector<ValueId> items;  // kTuple, kList; kDict: key, value, key, value ...
};

// "an int", for messages.
const char* kind_name(Value::Kind kind);

// A record of elements, `data/KEY`.
struct StorageInfo {
  std::string key;
  torch::ScalarType type;
  int64_t numel;  // as the pickle says; not yet compared with the record
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
  ValueId root = 0;
};

// Reads a pickle of protocol 2 to 5 as torch.save writes it. Known globals: collections.OrderedDict
// and Counter, torch.Size, torch._utils._rebuild_tensor_v2 and _rebuild_parameter, and the storage
// classes of kDtypes. Whatever else the bytes ask for is refused with a UserError that begins with
// `place` and names the opcode or global. Neither recursion nor time or memory beyond the order of
// bytes.size(). Values may be shared and may contain themselves.
Pickle unpickle(std::span<const uint8_t> bytes, const std::string& place);

}  // namespace ipirm::checkpoint

// The few classes and functions that are known, carried out on plain values; the rest by name
// alone.
#include "checkpoint/pickle_objects.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "checkpoint/dtypes.h"
#include "checkpoint/layout.h"
#include "checkpoint/text.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using Kind = Value::Kind;

// Of a tensor whose strides repeat its storage: Python's expand().
constexpr int64_t kMaxExpandedBytes = int64_t{64} << 20;

// Sizes of all tensors together: a tensor of 64 dimensions takes a dozen bytes of pickle, but 1 KB.
constexpr size_t kMaxSizes = size_t{1} << 21;

// Pairs of all OrderedDicts together that are made of a list: a list is named in two bytes, but
// copied.
constexpr size_t kMaxPairs = size_t{1} << 21;

// Of a global's name and of a storage's key. Longer ones belong to nothing that torch.save meets,
// and two bytes of pickle would copy one again.
constexpr size_t kMaxNameBytes = 256;

// Classes and functions that are not known, each counted once.
constexpr size_t kMaxOpaqueNames = 4096;

// The globals that are known, by the index that a kGlobal value carries; storage class number i
// follows them as kFirstStorage + i.
constexpr const char* kGlobals[] = {"collections.OrderedDict",
                                    "collections.Counter",
                                    "torch.Size",
                                    "torch._utils._rebuild_tensor",
                                    "torch._utils._rebuild_tensor_v2",
                                    "torch._utils._rebuild_parameter",
                                    "torch.nn.parameter.Parameter"};
enum GlobalIndex : int64_t {
  kOrderedDict,
  kCounter,
  kSize,
  kRebuildTensorV1,
  kRebuildTensor,
  kRebuildParameter,
  kParameter,
  kFirstStorage
};
static_assert(std::size(kGlobals) == kFirstStorage);

struct StorageClass {
  const char* name;
  torch::ScalarType type;  // Undefined: known by its size alone
  size_t element_size;     // bytes
};

// Elements that are passed over: their size is needed where storages follow one another.
constexpr StorageClass kUnreadStorages[] = {
    {"ComplexFloatStorage", torch::ScalarType::Undefined, 8},
    {"ComplexDoubleStorage", torch::ScalarType::Undefined, 16},
    {"QInt8Storage", torch::ScalarType::Undefined, 1},
    {"QUInt8Storage", torch::ScalarType::Undefined, 1},
    {"QInt32Storage", torch::ScalarType::Undefined, 4},
    {"QUInt4x2Storage", torch::ScalarType::Undefined, 1},
    {"QUInt2x4Storage", torch::ScalarType::Undefined, 1},
    {"UntypedStorage", torch::ScalarType::Undefined, 1},
};
constexpr size_t kNumStorageClasses = std::size(kDtypes) + std::size(kUnreadStorages);

StorageClass storage_class(size_t i) {
  if (i >= std::size(kDtypes)) return kUnreadStorages[i - std::size(kDtypes)];
  return {kDtypes[i].storage, kDtypes[i].type, c10::elementSize(kDtypes[i].type)};
}

std::string global_name(int64_t index) {
  if (index < kFirstStorage) return kGlobals[index];
  return cat("torch.", storage_class(static_cast<size_t>(index - kFirstStorage)).name);
}

}  // namespace

void PickleObjects::push_global(const std::string& module, const std::string& name) {
  if (module.size() + name.size() > kMaxNameBytes) {
    stack_.fail(cat("global's name takes ", module.size() + name.size(),
                    " bytes, expected at most ", kMaxNameBytes, kMendByHand));
  }
  const std::string full = cat(module, ".", name);
  for (int64_t i = 0; i < kFirstStorage; ++i) {
    if (full == kGlobals[i]) return stack_.push(Kind::kGlobal, i);
  }
  // UntypedStorage says that its home is torch.storage.
  const bool of_torch = module == "torch" || module == "torch.storage";
  for (size_t i = 0; of_torch && i < kNumStorageClasses; ++i) {
    if (name == storage_class(i).name)
      return stack_.push(Kind::kGlobal, kFirstStorage + static_cast<int64_t>(i));
  }
  push_opaque(full);
}

void PickleObjects::push_opaque(const std::string& name) {
  const auto [known, fresh] =
      opaque_of_name_.emplace(name, static_cast<int64_t>(opaque_names_.size()));
  if (fresh) {
    if (opaque_names_.size() >= kMaxOpaqueNames)
      stack_.fail(cat("more than ", kMaxOpaqueNames, " different globals", kMendByHand));
    opaque_names_.push_back(name);
  }
  stack_.push(Kind::kOpaque, known->second);
}

void PickleObjects::push_instance(ValueId of_class) {
  const Value& value = stack_.value(of_class);
  if (value.kind == Kind::kOpaque) return stack_.push(Kind::kOpaque, value.number);
  push_opaque(global_name(stack_.expect(of_class, Kind::kGlobal, "an object's class").number));
}

void PickleObjects::reduce() {
  const Ids& args = stack_.expect(stack_.pop(), Kind::kTuple, "the list of arguments").items;
  const ValueId called = stack_.pop();
  if (stack_.is_opaque(called)) return push_instance(called);
  const int64_t callable = stack_.expect(called, Kind::kGlobal, "what is called").number;
  const auto expect_count = [&](size_t least, size_t most) {
    if (args.size() < least || args.size() > most) {
      stack_.fail(cat(kGlobals[callable], " gets ", args.size(), " arguments, expected ", least,
                      " to ", most));
    }
  };
  // The argument itself, which is of this kind or opaque.
  const auto pass_on = [&](Kind kind, const char* what) {
    if (!stack_.is_opaque(args[0])) stack_.expect(args[0], kind, what);
    stack_.push_id(args[0]);
  };
  switch (callable) {
    case kOrderedDict:
      expect_count(0, 1);
      return stack_.push_id(ordered_dict(args));
    case kCounter:
      expect_count(0, 1);
      if (args.empty()) return stack_.push(Kind::kDict);
      return pass_on(Kind::kDict, "a Counter's argument");
    case kSize:
      expect_count(1, 1);
      return pass_on(Kind::kTuple, "a Size's argument");
    case kRebuildTensorV1:
      expect_count(4, 4);
      return stack_.push_id(rebuild_tensor(args, /*with_hooks=*/false));
    case kRebuildTensor:
      expect_count(6, 7);
      return stack_.push_id(rebuild_tensor(args, /*with_hooks=*/true));
    case kRebuildParameter:
      expect_count(3, 3);
      return pass_on(Kind::kTensor, "a Parameter's data");
    case kParameter:
      expect_count(1, 2);
      return pass_on(Kind::kTensor, "a Parameter's data");
    default:
      return push_instance(called);
  }
}

// Python 2 wrote an OrderedDict as a list of [key, value] lists.
ValueId PickleObjects::ordered_dict(const Ids& args) {
  if (args.empty()) return stack_.make_dict({});
  const Value& pairs = stack_.value(args[0]);
  if (pairs.kind == Kind::kOpaque || pairs.kind == Kind::kDict) return args[0];
  stack_.expect(args[0], Kind::kList, "an OrderedDict's argument");
  num_pairs_ += pairs.items.size();
  if (num_pairs_ > kMaxPairs) stack_.fail(cat("more than ", kMaxPairs, " pairs in OrderedDicts"));
  Ids items;
  for (const ValueId id : pairs.items) {
    const Value& pair = stack_.value(id);
    if (pair.kind != Kind::kTuple) stack_.expect(id, Kind::kList, "an OrderedDict's pair");
    if (pair.items.size() != 2)
      stack_.fail(cat("an OrderedDict's pair has ", pair.items.size(), " parts"));
    items.insert(items.end(), pair.items.begin(), pair.items.end());
  }
  return stack_.make_dict(std::move(items));
}

void PickleObjects::build() {
  const Value& state = stack_.value(stack_.pop());
  // The attributes of an OrderedDict (_metadata) say nothing about its tensors, those of a
  // Parameter from before PyTorch 0.4 (requires_grad, volatile, hooks) nothing about its elements.
  const bool of_parameter = state.kind == Kind::kTuple && state.items.size() == 3 &&
                            stack_.value(state.items[0]).kind == Kind::kBool;
  if (of_parameter && stack_.value(stack_.top_id()).kind == Kind::kTensor) return;
  stack_.top(Kind::kDict, "sets attributes of");
}

// args: storage, offset, sizes, strides, and with_hooks: requires_grad, hooks and, where written,
// metadata.
ValueId PickleObjects::rebuild_tensor(const Ids& args, bool with_hooks) {
  if (stack_.is_opaque(args[0])) return args[0];
  const StorageView view = views_[static_cast<size_t>(
      stack_.expect(args[0], Kind::kStorage, "a tensor's storage").number)];
  TensorInfo tensor;
  tensor.storage = view.storage;
  tensor.offset = stack_.expect(args[1], Kind::kInt, "a tensor's offset").number;
  tensor.sizes = stack_.integers(args[2], "a tensor's size");
  tensor.strides = stack_.integers(args[3], "a tensor's strides");
  if (with_hooks) {
    stack_.expect(args[4], Kind::kBool, "requires_grad");
    stack_.expect(args[5], Kind::kDict, "a tensor's hooks");
  }
  if (args.size() == 7 && stack_.value(args[6]).kind != Kind::kNone &&
      !stack_.expect(args[6], Kind::kDict, "a tensor's metadata").items.empty()) {
    stack_.fail(
        cat("tensor has metadata (a conjugate or negative bit), expected none", kMendByHand));
  }
  check_layout(tensor, view);
  tensor.offset += view.offset;
  const StorageInfo& storage = storages_[view.storage];
  if (storage.type == torch::ScalarType::Undefined) {
    push_opaque(cat("torch.", storage.type_name));
    return stack_.pop();
  }
  tensors_.push_back(std::move(tensor));
  return stack_.make(Kind::kTensor, static_cast<int64_t>(tensors_.size() - 1));
}

void PickleObjects::check_layout(const TensorInfo& tensor, const StorageView& view) {
  const at::IntArrayRef sizes = tensor.sizes, strides = tensor.strides;
  if (sizes.size() != strides.size())
    stack_.fail(cat("tensor of size ", sizes, " has strides ", strides));
  num_sizes_ += sizes.size() + 1;
  if (num_sizes_ > kMaxSizes) stack_.fail(cat("more than ", kMaxSizes, " sizes of tensors"));
  const auto numel = checked_numel(sizes);
  const auto extent = numel ? checked_extent(sizes, strides, tensor.offset) : std::nullopt;
  if (!extent || *extent > view.numel) {
    stack_.fail(cat("tensor of size ", sizes, ", strides ", strides, ", offset ", tensor.offset,
                    " leaves its storage of ", view.numel, " elements"));
  }
  const auto element_size = static_cast<int64_t>(storages_[view.storage].element_size);
  if (*numel > std::max(view.numel, kMaxExpandedBytes / element_size)) {
    stack_.fail(cat("tensor of size ", sizes, " repeats a storage of ", view.numel, " elements",
                    kMendByHand));
  }
}

// The id is ('storage', class, key, location, number of elements) and, in the format before PyTorch
// 1.6, None or (key of the view, offset, number of elements); or there ('module', class, file,
// text) for a class of networks, whose text is not read.
void PickleObjects::load_persistent() {
  const Ids& parts = stack_.expect(stack_.pop(), Kind::kTuple, "a persistent id").items;
  if (parts.empty()) stack_.fail("persistent id has no parts");
  const std::string& tag = stack_.expect(parts[0], Kind::kString, "a persistent id's kind").text;
  if (tag == "module" && parts.size() == 4) return stack_.push_id(parts[1]);
  if (tag != "storage")
    stack_.fail(cat("persistent id of kind ", printable(tag), ", expected 'storage'"));
  if (parts.size() != 5 && parts.size() != 6)
    stack_.fail(cat("persistent id has ", parts.size(), " parts, expected 5 or 6"));
  if (stack_.is_opaque(parts[1])) return stack_.push_id(parts[1]);
  const int64_t global = stack_.expect(parts[1], Kind::kGlobal, "a storage's class").number;
  if (global < kFirstStorage) stack_.fail(cat("storage of class ", kGlobals[global]));
  stack_.expect(parts[3], Kind::kString, "a storage's location");
  const StorageClass type = storage_class(static_cast<size_t>(global - kFirstStorage));
  const std::string& key = stack_.expect(parts[2], Kind::kString, "a storage's key").text;
  if (key.size() > kMaxNameBytes) {
    stack_.fail(
        cat("storage's key takes ", key.size(), " bytes, expected at most ", kMaxNameBytes));
  }
  const size_t number = storage_number(
      {key, type.name, type.type, type.element_size,
       stack_.expect(parts[4], Kind::kInt, "a storage's number of elements").number});
  views_.push_back(view_of(number, parts));
  stack_.push(Kind::kStorage, static_cast<int64_t>(views_.size() - 1));
}

// The index of the storage with this key, which is made, or is alike.
size_t PickleObjects::storage_number(StorageInfo storage) {
  if (storage.numel < 0 || storage.numel > kMaxElements)
    stack_.fail(cat("storage of ", storage.numel, " elements"));
  const auto [known, fresh] = storage_of_key_.emplace(storage.key, storages_.size());
  if (fresh) {
    storages_.push_back(std::move(storage));
  } else {
    const StorageInfo& first = storages_[known->second];
    if (first.type_name != storage.type_name || first.numel != storage.numel) {
      stack_.fail(cat("storage ", printable(storage.key), " is ", storage.numel, " of ",
                      storage.type_name, ", but ", first.numel, " of ", first.type_name,
                      " before"));
    }
  }
  return known->second;
}

PickleObjects::StorageView PickleObjects::view_of(size_t storage, const Ids& id) const {
  const int64_t numel = storages_[storage].numel;
  if (id.size() < 6 || stack_.value(id[5]).kind == Kind::kNone) return {storage, 0, numel};
  const Ids& view = stack_.expect(id[5], Kind::kTuple, "a storage's view").items;
  if (view.size() != 3)
    stack_.fail(cat("a storage's view has ", view.size(), " parts, expected 3"));
  const int64_t offset = stack_.expect(view[1], Kind::kInt, "a view's offset").number;
  const int64_t size = stack_.expect(view[2], Kind::kInt, "a view's size").number;
  if (offset < 0 || size < 0 || offset > numel || size > numel - offset) {
    stack_.fail(cat("view of ", size, " elements at ", offset, " leaves its storage of ", numel,
                    " elements"));
  }
  return {storage, offset, size};
}

}  // namespace ipirm::checkpoint

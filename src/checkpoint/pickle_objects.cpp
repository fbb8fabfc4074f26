// The few classes and functions that a state_dict's pickle names, carried out on plain values.
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

// The globals that are known, by the index that a kGlobal value carries; storage class number i
// follows them as kFirstStorage + i.
constexpr const char* kGlobals[] = {"collections.OrderedDict", "collections.Counter", "torch.Size",
                                    "torch._utils._rebuild_tensor_v2",
                                    "torch._utils._rebuild_parameter"};
enum GlobalIndex : int64_t {
  kOrderedDict,
  kCounter,
  kSize,
  kRebuildTensor,
  kRebuildParameter,
  kFirstStorage
};
static_assert(std::size(kGlobals) == kFirstStorage);

}  // namespace

void PickleObjects::push_global(const std::string& name) {
  for (int64_t i = 0; i < kFirstStorage; ++i) {
    if (name == kGlobals[i]) return stack_.push(Kind::kGlobal, i);
  }
  for (size_t i = 0; i < std::size(kDtypes); ++i) {
    if (name == cat("torch.", kDtypes[i].storage))
      return stack_.push(Kind::kGlobal, kFirstStorage + static_cast<int64_t>(i));
  }
  stack_.fail(cat("global ", printable(name), " has no place in a state_dict", kMendByHand));
}

void PickleObjects::reduce() {
  const Ids args = stack_.expect(stack_.pop(), Kind::kTuple, "the list of arguments").items;
  const int64_t callable = stack_.expect(stack_.pop(), Kind::kGlobal, "what is called").number;
  const auto expect_count = [&](size_t least, size_t most) {
    if (args.size() < least || args.size() > most) {
      stack_.fail(cat(kGlobals[callable], " gets ", args.size(), " arguments, expected ", least,
                      " to ", most));
    }
  };
  switch (callable) {
    case kOrderedDict:
      expect_count(0, 0);
      return stack_.push(Kind::kDict);
    case kCounter:
      expect_count(0, 1);
      if (args.empty()) return stack_.push(Kind::kDict);
      stack_.expect(args[0], Kind::kDict, "a Counter's argument");
      return stack_.push_id(args[0]);
    case kSize:
      expect_count(1, 1);
      stack_.expect(args[0], Kind::kTuple, "a Size's argument");
      return stack_.push_id(args[0]);
    case kRebuildTensor:
      expect_count(6, 7);
      return stack_.push_id(rebuild_tensor(args));
    case kRebuildParameter:
      expect_count(3, 3);
      stack_.expect(args[0], Kind::kTensor, "a Parameter's data");
      return stack_.push_id(args[0]);
    default:
      stack_.fail(cat("calls torch.", kDtypes[callable - kFirstStorage].storage,
                      ", expected it as a storage's type only"));
  }
}

// args: storage, offset, sizes, strides, requires_grad, hooks and, where written, metadata.
ValueId PickleObjects::rebuild_tensor(const Ids& args) {
  TensorInfo tensor;
  tensor.storage =
      static_cast<size_t>(stack_.expect(args[0], Kind::kStorage, "a tensor's storage").number);
  tensor.offset = stack_.expect(args[1], Kind::kInt, "a tensor's offset").number;
  tensor.sizes = stack_.integers(args[2], "a tensor's size");
  tensor.strides = stack_.integers(args[3], "a tensor's strides");
  stack_.expect(args[4], Kind::kBool, "requires_grad");
  stack_.expect(args[5], Kind::kDict, "a tensor's hooks");
  if (args.size() == 7 && stack_.value(args[6]).kind != Kind::kNone &&
      !stack_.expect(args[6], Kind::kDict, "a tensor's metadata").items.empty()) {
    stack_.fail(
        cat("tensor has metadata (a conjugate or negative bit), expected none", kMendByHand));
  }
  const StorageInfo& storage = storages_[tensor.storage];
  const at::IntArrayRef sizes = tensor.sizes, strides = tensor.strides;
  if (sizes.size() != strides.size())
    stack_.fail(cat("tensor of size ", sizes, " has strides ", strides));
  num_sizes_ += sizes.size() + 1;
  if (num_sizes_ > kMaxSizes) stack_.fail(cat("more than ", kMaxSizes, " sizes of tensors"));
  const auto numel = checked_numel(sizes);
  const auto extent = numel ? checked_extent(sizes, strides, tensor.offset) : std::nullopt;
  if (!extent || *extent > storage.numel) {
    stack_.fail(cat("tensor of size ", sizes, ", strides ", strides, ", offset ", tensor.offset,
                    " leaves its storage of ", storage.numel, " elements"));
  }
  if (*numel > std::max(storage.numel,
                        kMaxExpandedBytes / static_cast<int64_t>(c10::elementSize(storage.type)))) {
    stack_.fail(cat("tensor of size ", sizes, " repeats a storage of ", storage.numel, " elements",
                    kMendByHand));
  }
  tensors_.push_back(std::move(tensor));
  return stack_.make(Kind::kTensor, static_cast<int64_t>(tensors_.size() - 1));
}

// The id is ('storage', class, key, location, number of elements).
void PickleObjects::load_storage() {
  const Ids& parts = stack_.expect(stack_.pop(), Kind::kTuple, "a persistent id").items;
  if (parts.size() != 5) stack_.fail(cat("persistent id has ", parts.size(), " parts, expected 5"));
  const std::string& tag = stack_.expect(parts[0], Kind::kString, "a persistent id's kind").text;
  if (tag != "storage")
    stack_.fail(cat("persistent id of kind ", printable(tag), ", expected 'storage'"));
  const int64_t global = stack_.expect(parts[1], Kind::kGlobal, "a storage's class").number;
  if (global < kFirstStorage) stack_.fail(cat("storage of class ", kGlobals[global]));
  stack_.expect(parts[3], Kind::kString, "a storage's location");
  StorageInfo storage{stack_.expect(parts[2], Kind::kString, "a storage's key").text,
                      kDtypes[global - kFirstStorage].type,
                      stack_.expect(parts[4], Kind::kInt, "a storage's number of elements").number};
  if (storage.numel < 0 || storage.numel > kMaxElements)
    stack_.fail(cat("storage of ", storage.numel, " elements"));

  const auto [known, fresh] = storage_of_key_.emplace(storage.key, storages_.size());
  if (fresh) {
    storages_.push_back(std::move(storage));
  } else {
    const StorageInfo& first = storages_[known->second];
    if (first.type != storage.type || first.numel != storage.numel) {
      stack_.fail(cat("storage ", printable(storage.key), " is ", storage.numel, " of ",
                      storage.type, ", but ", first.numel, " of ", first.type, " before"));
    }
  }
  stack_.push(Kind::kStorage, static_cast<int64_t>(known->second));
}

}  // namespace ipirm::checkpoint

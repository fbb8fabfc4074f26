// Reads PyTorch's files: container, pickle, then the tensors that the state_dict names.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "checkpoint/text.h"
#include "checkpoint/torch_containers.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;
using Kind = Value::Kind;

// Where programs put a state_dict.
constexpr const char* kContainers[] = {"state_dict", "model", "model_state_dict", "net", "network"};
constexpr const char* kWhere =
    "expected a state_dict, bare or under 'state_dict', 'model', 'model_state_dict', 'net' or "
    "'network'";
// Dicts around the state_dict: {"model": {"state_dict": {...}}}.
constexpr int kMaxNesting = 2;

TorchParts take_apart(Bytes file, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("PK\x03\x04")) return take_apart_zip(file, path);
  if (text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5)
    return take_apart_legacy(file, path);
  constexpr size_t kTarMagic = 257;  // where a tar archive says that it is one
  if (text.size() > kTarMagic && text.substr(kTarMagic).starts_with("ustar")) {
    throw UserError(cat(path,
                        ": is a tar archive, the format of PyTorch before 0.1.10, expected that of "
                        "a later one; load it in Python and torch.save it again"));
  }
  throw UserError(cat(path,
                      ": begins neither like a zip file nor like a pickle, expected a file written "
                      "by torch.save"));
}

// The tensors of one file, made on demand. Storages are copied out of the file once; tensors that
// share one in the file share its copy, as with torch.load.
class TensorLoader {
 public:
  TensorLoader(const std::string& path, const TorchParts& parts)
      : path_(path), parts_(parts), storages_(parts.pickle.storages.size()) {}

  torch::Tensor load(const TensorInfo& info) {
    const StorageInfo& storage = parts_.pickle.storages[info.storage];
    torch::Tensor& elements = storages_[info.storage];  // (numel)
    if (!elements.defined()) {
      const Bytes bytes = parts_.elements[info.storage];
      check(storage, bytes);
      elements = at::empty({storage.numel}, storage.type);
      if (!bytes.empty()) std::memcpy(elements.data_ptr(), bytes.data(), bytes.size());
    }
    return at::empty({0}, storage.type)
        .set_(elements.storage(), info.offset, info.sizes, info.strides);
  }

 private:
  void check(const StorageInfo& storage, Bytes bytes) const {
    if (storage.type == torch::kBool &&
        std::any_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b > 1; })) {
      throw UserError(cat(path_, ": storage ", printable(storage.key),
                          " holds bools that are neither 0 nor 1"));
    }
  }

  const std::string& path_;
  const TorchParts& parts_;
  std::vector<torch::Tensor> storages_;  // undefined until first asked for
};

// A dict in the file, and the keys that lead to it: "model.state_dict", or "" for the outermost.
struct FoundDict {
  const Value* dict;
  std::string place;
};

// The dict under a key, or nullptr.
const Value* find_dict(const Pickle& pickle, const Value& dict, std::string_view key) {
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const Value& name = pickle.values[dict.items[i]];
    const Value& entry = pickle.values[dict.items[i + 1]];
    if (name.kind == Kind::kString && name.text == key && entry.kind == Kind::kDict) return &entry;
  }
  return nullptr;
}

bool holds_a_tensor(const Pickle& pickle, const Value& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2) {
    if (pickle.values[dict.items[i]].kind == Kind::kTensor) return true;
  }
  return false;
}

// Whether tensors lie in the dict, or under such keys in it. level: dicts around it.
bool leads_to_tensors(const Pickle& pickle, const Value& dict, int level) {
  if (level > kMaxNesting || holds_a_tensor(pickle, dict)) return true;
  return std::any_of(std::begin(kContainers), std::end(kContainers), [&](const char* key) {
    const Value* inner = find_dict(pickle, dict, key);
    return inner != nullptr && leads_to_tensors(pickle, *inner, level + 1);
  });
}

// The dict of tensors: the outermost, or what lies under a known key in it.
FoundDict find_state_dict(const Pickle& pickle, const std::string& path) {
  FoundDict found{&pickle.values[pickle.root], ""};
  if (found.dict->kind != Kind::kDict) {
    const bool object = found.dict->kind == Kind::kOpaque;
    throw UserError(cat(path, ": holds ", describe(pickle, *found.dict),
                        ", expected a dict of tensors (a state_dict)",
                        object ? "; nothing in the file was run: load it in Python and torch.save "
                                 "its state_dict(), if you trust the file"
                               : ""));
  }
  for (int level = 0; level <= kMaxNesting; ++level) {
    const Value* inner = nullptr;
    std::string inner_key;
    for (const char* key : kContainers) {
      const Value* entry = find_dict(pickle, *found.dict, key);
      if (entry == nullptr || !leads_to_tensors(pickle, *entry, level + 1)) continue;
      if (inner != nullptr) {
        throw UserError(cat(path, ": holds tensors under '", inner_key, "' and under '", key,
                            "', expected one of them; save the one that is meant alone"));
      }
      inner = entry;
      inner_key = key;
    }
    if (inner == nullptr) return found;
    found = {inner, cat(found.place, found.place.empty() ? "" : ".", inner_key)};
  }
  throw UserError(cat(path, ": nests its state_dict more than ", kMaxNesting,
                      " levels deep; save the inner one"));
}

TorchContent load_tensors(const Pickle& pickle, const FoundDict& found, TensorLoader& loader,
                          const std::string& path) {
  TorchContent content{{}, found.place, {}};
  std::unordered_set<std::string_view> names;
  const std::vector<ValueId>& items = found.dict->items;
  for (size_t i = 0; i < items.size(); i += 2) {
    const Value& key = pickle.values[items[i]];
    const Value& entry = pickle.values[items[i + 1]];
    const bool is_tensor = entry.kind == Kind::kTensor;
    if (key.kind != Kind::kString) {
      if (!is_tensor) continue;
      throw UserError(cat(path, ": a tensor stands under ", describe(pickle, key),
                          " as its key, expected a name"));
    }
    if (!names.insert(key.text).second)
      throw UserError(cat(path, ": has ", printable(key.text), " twice"));
    if (is_tensor) {
      content.tensors.emplace_back(key.text,
                                   loader.load(pickle.tensors[static_cast<size_t>(entry.number)]));
    } else {
      content.others.emplace_back(key.text, describe(pickle, entry));
    }
  }
  if (content.tensors.empty() && !content.others.empty()) {
    std::string shown;
    for (size_t i = 0; i < content.others.size() && i < 5; ++i) {
      const auto& [name, what] = content.others[i];
      shown += cat(i == 0 ? "" : ", ", printable(name), " is ", what);
    }
    throw UserError(cat(path, ": holds no tensors (", shown, "), ", kWhere));
  }
  return content;
}

}  // namespace

TorchContent read_torch_content(const std::filesystem::path& path) {
  const std::string name = path.string();
  const core::MappedFile file(path);
  const TorchParts parts = take_apart(file.bytes(), name);
  TensorLoader loader(name, parts);
  return load_tensors(parts.pickle, find_state_dict(parts.pickle, name), loader, name);
}

StateDict read_torch_file(const std::filesystem::path& path) {
  return read_torch_content(path).tensors;
}

}  // namespace ipirm::checkpoint

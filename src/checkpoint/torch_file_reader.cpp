// Reads PyTorch's zip-and-pickle file: container, pickle, then the tensors that the state_dict
// names.
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "checkpoint/text.h"
#include "checkpoint/unpickler.h"
#include "checkpoint/zip_archive.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;
using Kind = Value::Kind;

// Names and shapes of some hundred thousand tensors.
constexpr size_t kMaxPickleBytes = size_t{32} << 20;
// Dicts around the state_dict: {"model": {"state_dict": {...}}}.
constexpr int kMaxNesting = 2;

// Refuses what is no zip file, telling old torch files apart.
void check_container(Bytes file, const std::string& path) {
  const std::string_view start(reinterpret_cast<const char*>(file.data()),
                               std::min<size_t>(file.size(), 4));
  if (start == "PK\x03\x04") return;
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5) {
    throw UserError(
        cat(path,
            ": is a torch file in the format before PyTorch 1.6 (a bare pickle), expected the zip "
            "format; load it in Python and torch.save it again"));
  }
  throw UserError(
      cat(path, ": does not begin like a zip file, expected a file written by torch.save"));
}

// The tensors of one file, made on demand. Storages are copied out of the file once; tensors that
// share one in the file share its copy, as with torch.load.
class TensorLoader {
 public:
  TensorLoader(const std::string& path, const ZipArchive& archive, const std::string& prefix,
               const Pickle& pickle)
      : pickle_(pickle), storages_(pickle.storages.size()) {
    for (const StorageInfo& storage : pickle.storages)
      records_.push_back(check(path, archive, prefix, storage));
  }

  torch::Tensor load(const TensorInfo& info) {
    const StorageInfo& storage = pickle_.storages[info.storage];
    torch::Tensor& elements = storages_[info.storage];  // (numel)
    if (!elements.defined()) {
      elements = at::empty({storage.numel}, storage.type);
      const Bytes record = records_[info.storage];
      if (!record.empty()) std::memcpy(elements.data_ptr(), record.data(), record.size());
    }
    return at::empty({0}, storage.type)
        .set_(elements.storage(), info.offset, info.sizes, info.strides);
  }

 private:
  static Bytes check(const std::string& path, const ZipArchive& archive, const std::string& prefix,
                     const StorageInfo& storage) {
    const std::string name = cat(prefix, "data/", storage.key);
    const auto found = archive.records().find(name);
    if (found == archive.records().end()) {
      throw UserError(cat(path, ": has no record ", printable(name),
                          ", which its data.pkl refers to; copy it anew"));
    }
    const Bytes record = found->second;
    const uint64_t expected = static_cast<uint64_t>(storage.numel) * c10::elementSize(storage.type);
    if (record.size() != expected) {
      throw UserError(cat(path, ": record ", printable(name), " holds ", record.size(),
                          " bytes, expected ", expected, " (", storage.numel, " elements of ",
                          storage.type, "); copy it anew"));
    }
    if (storage.type == torch::kBool &&
        std::any_of(record.begin(), record.end(), [](uint8_t b) { return b > 1; })) {
      throw UserError(
          cat(path, ": record ", printable(name), " holds bools that are neither 0 nor 1"));
    }
    return record;
  }

  const Pickle& pickle_;
  std::vector<Bytes> records_;
  std::vector<torch::Tensor> storages_;  // undefined until first asked for
};

// "archive/" of the one record "archive/data.pkl"; torch.save names the folder after the file.
std::string find_prefix(const ZipArchive& archive, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string prefix;
  for (const auto& [name, bytes] : archive.records()) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash) != kPickle) continue;
    if (!prefix.empty()) throw UserError(cat(path, ": holds more than one data.pkl, expected one"));
    prefix = name.substr(0, slash + 1);
  }
  if (prefix.empty()) {
    throw UserError(cat(
        path, ": is a zip file without a data.pkl in it, expected a file written by torch.save"));
  }
  return prefix;
}

Bytes find_pickle(const ZipArchive& archive, const std::string& prefix, const std::string& path) {
  const auto order = archive.records().find(prefix + "byteorder");
  if (order != archive.records().end()) {
    const std::string found(order->second.begin(), order->second.end());
    if (found != "little") {
      throw UserError(cat(path, ": has byte order ", printable(found),
                          ", expected 'little'; save it anew on such a "
                          "machine"));
    }
  }
  const Bytes pickle = archive.records().at(prefix + "data.pkl");
  if (pickle.size() > kMaxPickleBytes) {
    throw UserError(cat(path, ": data.pkl holds ", pickle.size(), " bytes, more than the ",
                        kMaxPickleBytes, " that a state_dict may have"));
  }
  return pickle;
}

// The value under a key, or nullptr.
const Value* find_entry(const Pickle& pickle, const Value& dict, std::string_view key) {
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const Value& name = pickle.values[dict.items[i]];
    if (name.kind == Kind::kString && name.text == key) return &pickle.values[dict.items[i + 1]];
  }
  return nullptr;
}

// The dict of tensors: the outermost, or what lies under "state_dict" or "model" in it.
const Value& find_state_dict(const Pickle& pickle, const std::string& path) {
  const Value* dict = &pickle.values[pickle.root];
  if (dict->kind != Kind::kDict) {
    throw UserError(cat(path, ": holds ", kind_name(dict->kind),
                        ", expected a dict of tensors (a state_dict)"));
  }
  for (int level = 0; level <= kMaxNesting; ++level) {
    const Value* inner = nullptr;
    for (const char* key : {"state_dict", "model"}) {
      const Value* entry = find_entry(pickle, *dict, key);
      if (inner == nullptr && entry != nullptr && entry->kind == Kind::kDict) inner = entry;
    }
    if (inner == nullptr) return *dict;
    dict = inner;
  }
  throw UserError(cat(path, ": nests its state_dict more than ", kMaxNesting,
                      " levels deep; save the inner one"));
}

StateDict load_tensors(const Pickle& pickle, const Value& dict, TensorLoader& loader,
                       const std::string& path) {
  StateDict result;
  std::unordered_set<std::string_view> names;
  std::string others;  // what is no tensor, for the message
  for (size_t i = 0; i < dict.items.size(); i += 2) {
    const Value& key = pickle.values[dict.items[i]];
    const Value& entry = pickle.values[dict.items[i + 1]];
    if (entry.kind != Kind::kTensor) {
      if (i < 10)
        others +=
            cat(others.empty() ? "" : ", ", printable(key.text), " is ", kind_name(entry.kind));
      continue;
    }
    if (key.kind != Kind::kString) {
      throw UserError(cat(path, ": a tensor stands under ", kind_name(key.kind),
                          " as its key, expected a name"));
    }
    if (!names.insert(key.text).second)
      throw UserError(cat(path, ": has ", printable(key.text), " twice"));
    result.emplace_back(key.text, loader.load(pickle.tensors[static_cast<size_t>(entry.number)]));
  }
  if (result.empty() && !others.empty()) {
    throw UserError(cat(path, ": holds no tensors (", others,
                        "), expected a state_dict, bare or under 'model' or "
                        "'state_dict'"));
  }
  return result;
}

}  // namespace

StateDict read_torch_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  const core::MappedFile file(path);
  check_container(file.bytes(), name);
  const ZipArchive archive(file.bytes(), name);
  const std::string prefix = find_prefix(archive, name);
  const Pickle pickle = unpickle(find_pickle(archive, prefix, name), name + ": data.pkl");
  TensorLoader loader(name, archive, prefix, pickle);
  return load_tensors(pickle, find_state_dict(pickle, name), loader, name);
}

}  // namespace ipirm::checkpoint

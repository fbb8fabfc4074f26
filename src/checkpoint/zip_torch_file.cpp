// Finds the pickle and the elements among the records of a zip archive.
#include <string>
#include <string_view>

#include "checkpoint/text.h"
#include "checkpoint/torch_containers.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;

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

Bytes find_elements(const ZipArchive& archive, const std::string& prefix,
                    const StorageInfo& storage, const std::string& path) {
  const std::string name = cat(prefix, "data/", storage.key);
  const auto found = archive.records().find(name);
  if (found == archive.records().end()) {
    throw UserError(cat(path, ": has no record ", printable(name),
                        ", which its data.pkl refers to; copy it anew"));
  }
  if (found->second.size() != storage.bytes()) {
    throw UserError(cat(path, ": record ", printable(name), " holds ", found->second.size(),
                        " bytes, expected ", storage.bytes(), " (", storage.numel, " elements of ",
                        storage.type_name, "); copy it anew"));
  }
  return found->second;
}

}  // namespace

TorchParts take_apart_zip(Bytes file, const std::string& path) {
  const ZipArchive archive(file, path);
  const std::string prefix = find_prefix(archive, path);
  TorchParts parts{unpickle(find_pickle(archive, prefix, path), path + ": data.pkl"), {}};
  for (const StorageInfo& storage : parts.pickle.storages)
    parts.elements.push_back(find_elements(archive, prefix, storage, path));
  return parts;
}

}  // namespace ipirm::checkpoint

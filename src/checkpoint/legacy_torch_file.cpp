// Reads the pickles of PyTorch's format before 1.6 one after the other, then walks over its
// storages.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "checkpoint/byte_reader.h"
#include "checkpoint/text.h"
#include "checkpoint/torch_containers.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;
using Kind = Value::Kind;

constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t kProtocol = 1001;

class LegacyReader {
 public:
  LegacyReader(Bytes file, const std::string& path) : in_(file, path), file_(file) {}

  // Throws UserError unless this is the format and its byte order is little.
  void read_header();
  Pickle read_pickle(const char* what);
  // The elements of each of the pickle's storages, which are listed by key and follow one another.
  std::vector<Bytes> read_elements(const Pickle& pickle);

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(cat(in_.place(), ": ", problem));
  }
  Bytes read_storage(const StorageInfo& storage);

  ByteReader in_;
  Bytes file_;
};

Pickle LegacyReader::read_pickle(const char* what) {
  const Bytes rest = file_.subspan(in_.position());
  const bool limited = rest.size() > kMaxPickleBytes;
  std::string place = cat(in_.place(), ": ", what, " at byte ", in_.position());
  if (limited) place += cat(" (at most ", kMaxPickleBytes, " bytes)");
  size_t used = 0;
  Pickle pickle = unpickle(limited ? rest.first(kMaxPickleBytes) : rest, place, &used);
  in_.take(used, what);
  return pickle;
}

void LegacyReader::read_header() {
  const Pickle magic = read_pickle("magic number");
  const Value& number = magic.values[magic.root];
  if (number.kind != Kind::kBigInt || number.text != kMagic) {
    fail(cat("is a pickle that begins with ", describe(magic, number),
             ", expected the magic number of a file that torch.save wrote"));
  }
  const Pickle protocol = read_pickle("protocol");
  const Value& version = protocol.values[protocol.root];
  if (version.kind != Kind::kInt || version.number != kProtocol) {
    fail(cat("has protocol ", version.number, " (", describe(protocol, version), "), expected ",
             kProtocol, "; load it in Python and torch.save it again"));
  }
  const Pickle system = read_pickle("system's sizes");
  const Value& sizes = system.values[system.root];
  for (size_t i = 0; sizes.kind == Kind::kDict && i < sizes.items.size(); i += 2) {
    const Value& name = system.values[sizes.items[i]];
    const Value& value = system.values[sizes.items[i + 1]];
    if (name.kind != Kind::kString || name.text != "little_endian") continue;
    if (value.kind == Kind::kBool && value.number == 1) return;
    fail("has its bytes in big-endian order, expected little; save it anew on such a machine");
  }
  fail("does not say its byte order; the file is damaged: copy it anew");
}

Bytes LegacyReader::read_storage(const StorageInfo& storage) {
  const std::string what = cat("storage ", printable(storage.key));
  const auto numel = in_.number<int64_t>(what.c_str());
  if (numel != storage.numel) {
    fail(cat(what, " says at byte ", in_.position() - sizeof numel, " that it holds ", numel,
             " elements, expected ", storage.numel,
             "; the file is cut short or damaged: copy it anew"));
  }
  return in_.take(storage.bytes(), what.c_str());
}

std::vector<Bytes> LegacyReader::read_elements(const Pickle& pickle) {
  const Pickle keys = read_pickle("list of storages");
  const Value& list = keys.values[keys.root];
  if (list.kind != Kind::kList) {
    fail(cat("holds ", describe(keys, list), " where the list of its storages is expected"));
  }
  std::unordered_map<std::string_view, size_t> left;  // key -> number of the storage
  for (size_t i = 0; i < pickle.storages.size(); ++i) left.emplace(pickle.storages[i].key, i);
  std::vector<Bytes> elements(pickle.storages.size());
  for (const ValueId id : list.items) {
    const Value& key = keys.values[id];
    const auto found = key.kind == Kind::kString ? left.find(key.text) : left.end();
    if (found == left.end()) {
      fail(cat("lists a storage ", printable(key.text), " (", describe(keys, key),
               ") twice, or that its object does not have, or of a type that is unknown here; load "
               "it in Python and torch.save it again, if you trust the file"));
    }
    elements[found->second] = read_storage(pickle.storages[found->second]);
    left.erase(found);
  }
  if (!left.empty()) {
    fail(cat("does not list storage ", printable(pickle.storages[left.begin()->second].key),
             ", which its object refers to; the file is damaged: copy it anew"));
  }
  if (in_.left() > 0) {
    fail(cat(in_.left(), " bytes follow the last storage; the file is damaged: copy it anew"));
  }
  return elements;
}

}  // namespace

TorchParts take_apart_legacy(Bytes file, const std::string& path) {
  LegacyReader reader(file, path);
  reader.read_header();
  TorchParts parts{reader.read_pickle("object"), {}};
  parts.elements = reader.read_elements(parts.pickle);
  return parts;
}

}  // namespace ipirm::checkpoint

// Builds torch files of both formats with arbitrary pickles, honest or hostile.
#pragma once

#include <caffe2/serialize/inline_container.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ipirm::checkpoint {

using Records = std::vector<std::pair<std::string, std::string>>;

// The bytes of an archive with these records, each with a right CRC.
inline std::string archive(const Records& records, bool compress = false) {
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  for (const auto& [name, content] : records)
    writer.writeRecord(name, content.data(), content.size(), compress);
  writer.writeEndOfFile();
  return bytes;
}

// Pieces of a pickle, to be put together with +.
namespace pickled {

inline std::string little(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}
inline std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline std::string integer(int64_t value) {
  return "\x8a\x08" + little(static_cast<uint64_t>(value), 8);
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string bytes = "(";
  for (const int64_t value : values) bytes += integer(value);
  return bytes + "t";
}
inline std::string storage(const std::string& type, const std::string& key, int64_t numel) {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") +
         integer(numel) + "tQ";
}
inline std::string tensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(offset) + tuple(sizes) +
         tuple(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}
// An id with what the format before PyTorch 1.6 adds: "N", or the tuple of a view.
inline std::string legacy_storage(const std::string& type, const std::string& key, int64_t numel,
                                  const std::string& view = "N") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") +
         integer(numel) + view + "tQ";
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
// A whole pickle whose value is {"w": value}.
inline std::string dict(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }

inline std::string dict(const Records& entries) {
  std::string bytes = "\x80\x02}(";
  for (const auto& [name, value] : entries) bytes += text(name) + value;
  return bytes + "u.";
}

}  // namespace pickled

// The bytes of a file in the format before PyTorch 1.6, in its order; storages: keys, and counts
// with elements.
struct LegacyFile {
  std::string magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  std::string protocol = "\x80\x02M\xe9\x03.";
  std::string system = "\x80\x02}" + pickled::text("little_endian") + "\x88s.";
  std::string object;
  Records storages;
  std::string after;

  std::string bytes() const {
    std::string keys = "\x80\x02](", content;
    for (const auto& [key, elements] : storages) {
      keys += pickled::text(key);
      content += elements;
    }
    return magic + protocol + system + object + keys + "e." + content + after;
  }
  // A storage of `numel` elements: the count, then `elements`.
  void add(const std::string& key, int64_t numel, const std::string& elements) {
    storages.emplace_back(key, pickled::little(static_cast<uint64_t>(numel), 8) + elements);
  }
};

}  // namespace ipirm::checkpoint

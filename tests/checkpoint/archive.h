// Builds torch files with arbitrary pickles, honest or hostile, in well-formed archives.
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
// A whole pickle whose value is {"w": value}.
inline std::string dict(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }

}  // namespace pickled
}  // namespace ipirm::checkpoint

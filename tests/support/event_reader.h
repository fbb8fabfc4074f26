// Reads TensorBoard's event files, written without a line of the writer's code: the checksums bit
// by bit, the messages field by field.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ipirm::observe {

// CRC-32C by its definition: the division of a polynomial, bit by bit.
inline uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

// One field of a message: its number, and what it holds by its wire type.
struct ReadField {
  uint64_t number = 0;
  uint64_t bits = 0;  // of a varint or a number of 32 or 64 bits
  std::string bytes;
};

class EventReader {
 public:
  // The payloads of all records. Throws std::runtime_error for a checksum that is wrong and for a
  // record that is cut off.
  static std::vector<std::string> records(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::string> found;
    for (size_t at = 0; at < all.size();) {
      const auto size = number<uint64_t>(all, at);
      check(all, at, 8);
      if (all.size() - at < 16 + size) throw std::runtime_error("a record is cut off");
      found.push_back(all.substr(at + 12, size));
      check(all, at + 12, size);
      at += 16 + size;
    }
    return found;
  }

  static std::vector<ReadField> fields(std::string_view message) {
    std::vector<ReadField> found;
    for (size_t at = 0; at < message.size();) {
      const uint64_t key = varint(message, at);
      ReadField field{key >> 3, 0, {}};
      switch (key & 7) {
        case 0:
          field.bits = varint(message, at);
          break;
        case 1:
          field.bits = number<uint64_t>(message, at);
          at += 8;
          break;
        case 2: {
          const uint64_t size = varint(message, at);
          if (size > message.size() - at) throw std::runtime_error("a field is cut off");
          field.bytes = message.substr(at, size);
          at += size;
          break;
        }
        case 5:
          field.bits = number<uint32_t>(message, at);
          at += 4;
          break;
        default:
          throw std::runtime_error("a wire type that is not written");
      }
      found.push_back(std::move(field));
    }
    return found;
  }

  // The first field of that number, or an empty one.
  static ReadField field(std::string_view message, uint64_t wanted) {
    for (auto& found : fields(message))
      if (found.number == wanted) return found;
    return {};
  }

 private:
  template <class Unsigned>
  static Unsigned number(std::string_view bytes, size_t at) {
    if (bytes.size() < at + sizeof(Unsigned)) throw std::runtime_error("a number is cut off");
    Unsigned value = 0;
    for (size_t i = sizeof value; i-- > 0;)
      value = static_cast<Unsigned>(value << 8) | static_cast<uint8_t>(bytes[at + i]);
    return value;
  }
  static uint64_t varint(std::string_view bytes, size_t& at) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at >= bytes.size()) throw std::runtime_error("a varint is cut off");
      const auto byte = static_cast<uint8_t>(bytes[at++]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("a varint is too long");
  }
  // The checksum behind `size` bytes at `at`, whose mask is taken off.
  static void check(std::string_view bytes, size_t at, size_t size) {
    const uint32_t rotated = number<uint32_t>(bytes, at + size) - 0xa282ead8u;
    const uint32_t crc = (rotated >> 17) | (rotated << 15);
    if (crc != slow_crc32c(bytes.substr(at, size))) throw std::runtime_error("a wrong checksum");
  }
};

// The values of one event, by their tags.
struct ReadEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  std::map<std::string, float> scalars;
  std::map<std::string, std::string> texts;
  // Height, width, PNG.
  struct Image {
    uint64_t height = 0, width = 0;
    std::string png;
  };
  std::map<std::string, Image> images;
};

inline ReadEvent read_event(std::string_view bytes) {
  using R = EventReader;
  ReadEvent event;
  event.wall_time = std::bit_cast<double>(R::field(bytes, 1).bits);
  event.step = static_cast<int64_t>(R::field(bytes, 2).bits);
  event.version = R::field(bytes, 3).bytes;
  for (const auto& value : R::fields(R::field(bytes, 5).bytes)) {
    const auto tag = R::field(value.bytes, 1).bytes;
    for (const auto& field : R::fields(value.bytes)) {
      if (field.number == 2)
        event.scalars[tag] = std::bit_cast<float>(static_cast<uint32_t>(field.bits));
      if (field.number == 4)
        event.images[tag] = {R::field(field.bytes, 1).bits, R::field(field.bytes, 2).bits,
                             R::field(field.bytes, 4).bytes};
      if (field.number == 8) event.texts[tag] = R::field(field.bytes, 8).bytes;
    }
  }
  return event;
}

// All events of a folder's files, in the order of their names, but those that name the version,
// which stands first in each file.
inline std::vector<ReadEvent> events_in(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.find("tfevents") != std::string::npos) files[name] = entry.path();
  }
  std::vector<ReadEvent> all;
  for (const auto& [name, path] : files) {
    const auto records = EventReader::records(path);
    for (size_t i = 0; i < records.size(); ++i) {
      auto event = read_event(records[i]);
      if ((i == 0) != (event.version == "brain.Event:2"))
        throw std::runtime_error("the version does not stand first, or not there alone");
      if (i > 0) all.push_back(std::move(event));
    }
  }
  return all;
}

}  // namespace ipirm::observe

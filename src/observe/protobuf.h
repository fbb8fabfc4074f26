// Puts the fields of a protocol buffer's message one behind the other: the few wire types that
// TensorBoard's messages need.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace ipirm::observe {

// Low bytes first, whatever the machine.
template <class Unsigned>
void append_little_endian(std::string& to, Unsigned value) {
  for (size_t i = 0; i < sizeof value; ++i) to += static_cast<char>((value >> (8 * i)) & 0xff);
}

// Calls append fields in ascending order of their numbers, as protobuf's own writers do. A field
// that is left out has its default, 0 or empty.
class Message {
 public:
  Message& integer(uint32_t field, uint64_t value) {
    key(field, 0);
    varint(value);
    return *this;
  }
  Message& real64(uint32_t field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<uint64_t>(value));
    return *this;
  }
  // Bytes, a text, or a message within this one.
  Message& bytes(uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(uint32_t field, const Message& value) { return bytes(field, value.bytes_); }
  Message& real32(uint32_t field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<uint32_t>(value));
    return *this;
  }

  const std::string& encoded() const { return bytes_; }

 private:
  void key(uint32_t field, uint32_t wire_type) { varint(uint64_t{field} << 3 | wire_type); }
  // Seven bits a byte, the low ones first; the eighth says that more follow.
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace ipirm::observe

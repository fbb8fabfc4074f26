// A cursor over bytes of a file that never reads past their end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::checkpoint {

static_assert(std::endian::native == std::endian::little,
              "the formats of this room are little-endian");

class ByteReader {
 public:
  // place: what messages begin with, "run/model_5.pt: data.pkl".
  ByteReader(std::span<const uint8_t> bytes, std::string place)
      : bytes_(bytes), place_(std::move(place)) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }
  const std::string& place() const { return place_; }

  // The next `size` bytes. Throws UserError if fewer are left; `what` names what is being read.
  std::span<const uint8_t> take(uint64_t size, const char* what) {
    if (size > left()) {
      throw core::UserError(core::cat(place_, ": byte ", position_, ": ", what, " needs ", size,
                                      " bytes, but ", left(),
                                      " are left; the file is cut short or damaged: copy it anew"));
    }
    const auto taken = bytes_.subspan(position_, size);
    position_ += taken.size();
    return taken;
  }

  // The next sizeof(T) bytes as a little-endian integer.
  template <class T>
  T number(const char* what) {
    static_assert(std::is_integral_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  std::string place_;
  size_t position_ = 0;
};

}  // namespace ipirm::checkpoint

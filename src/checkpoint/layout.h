// Overflow-checked arithmetic for shapes that come from a file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ipirm::checkpoint {

// No dimension, stride, offset or number of elements from a file may be larger: times 16 bytes it
// still fits int64.
constexpr int64_t kMaxElements = int64_t{1} << 56;
constexpr size_t kMaxDimensions = 64;

// Elements of an array of this shape; nullopt if a size is negative or the product of the sizes (a
// zero counting as one, as libraries multiply in any order) is above kMaxElements.
inline std::optional<int64_t> checked_numel(std::span<const int64_t> sizes) {
  int64_t product = 1;
  bool empty = false;
  for (const int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    if (size == 0) continue;
    if (__builtin_mul_overflow(product, size, &product) || product > kMaxElements)
      return std::nullopt;
  }
  return empty ? 0 : product;
}

// One past the last element of storage that a strided array touches (offset, if it is empty);
// nullopt if a value is negative or beyond kMaxElements. sizes and strides are equally long; sizes
// have passed checked_numel.
inline std::optional<int64_t> checked_extent(std::span<const int64_t> sizes,
                                             std::span<const int64_t> strides, int64_t offset) {
  if (offset < 0 || offset > kMaxElements) return std::nullopt;
  int64_t last = offset;
  bool empty = false;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (strides[d] < 0 || strides[d] > kMaxElements) return std::nullopt;
    empty = empty || sizes[d] == 0;
    int64_t reach = 0;
    if (sizes[d] > 0 && (__builtin_mul_overflow(sizes[d] - 1, strides[d], &reach) ||
                         __builtin_add_overflow(last, reach, &last))) {
      return std::nullopt;
    }
  }
  if (empty) return offset;
  return last >= kMaxElements ? std::nullopt : std::optional(last + 1);
}

}  // namespace ipirm::checkpoint

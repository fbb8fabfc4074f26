// Arrays of unsigned bytes in MNIST's IDX format, plain or gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ipirm::data {

struct IdxArray {
  std::vector<int64_t> sizes;   // of each dimension, each at least 1
  std::vector<uint8_t> values;  // row-major, as many as the product of the sizes
};

// Bytes before the values of such an array: two zeros, the type, the rank, and four for each size.
constexpr int64_t idx_header_bytes(int rank) { return 4 + 4 * int64_t{rank}; }

// Reads the file whole; one that begins with gzip's two bytes is inflated, and its checksum
// compared. Memory is taken only for what a file of its size can hold. Throws UserError naming file
// and place for another type or rank, a size of 0, values that are missing or too many, and a
// damaged gzip stream.
IdxArray read_idx(const std::filesystem::path& path, int rank);

}  // namespace ipirm::data

// Arrays in numpy's .npy format.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>

namespace ipirm::checkpoint {

// Reads a C-order .npy array (versions 1-3; little-endian float16/32/64, int8..64, uint8, bool) as
// a CPU tensor. Fortran order is read and returned in C order. Throws UserError naming file, found
// and expected.
torch::Tensor read_npy(const std::filesystem::path& path);

// Writes a tensor (any device, float32/64, int64, int32, uint8, bool), atomically, version 1.0, C
// order.
void write_npy(const std::filesystem::path& path, const torch::Tensor& array);

// The same for an array that need not be in memory as a whole: `fill` calls `append` with its
// elements in C order, block after block, each on any device and of this dtype. What `fill` throws
// leaves no file behind.
using AppendBlock = std::function<void(const torch::Tensor& block)>;
void write_npy(const std::filesystem::path& path, torch::IntArrayRef shape, torch::ScalarType dtype,
               const std::function<void(const AppendBlock& append)>& fill);

}  // namespace ipirm::checkpoint

// The element types that the files of this room hold, with their names in each format.
#pragma once

#include <torch/types.h>

namespace ipirm::checkpoint {

struct Dtype {
  torch::ScalarType type;
  const char* storage;  // class in module torch, as torch.save names it
  const char* npy;      // descriptor in an .npy header; nullptr: numpy has none
};

inline constexpr Dtype kDtypes[] = {
    {torch::kFloat32, "FloatStorage", "<f4"}, {torch::kFloat64, "DoubleStorage", "<f8"},
    {torch::kFloat16, "HalfStorage", "<f2"},  {torch::kBFloat16, "BFloat16Storage", nullptr},
    {torch::kInt64, "LongStorage", "<i8"},    {torch::kInt32, "IntStorage", "<i4"},
    {torch::kInt16, "ShortStorage", "<i2"},   {torch::kInt8, "CharStorage", "|i1"},
    {torch::kUInt8, "ByteStorage", "|u1"},    {torch::kBool, "BoolStorage", "|b1"},
};

// The entry of `type`, or nullptr.
inline const Dtype* find_dtype(torch::ScalarType type) {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.type == type) return &dtype;
  }
  return nullptr;
}

}  // namespace ipirm::checkpoint
